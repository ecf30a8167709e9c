//! One file of each type that can be read, all of which answer the same question.

use crate::pdf_writer::Pdf;

pub(crate) const QUESTION: &str = "For how many days are returns free?";
/// What every right answer says.
pub(crate) const SAYS: &str = "fourteen days";

const ANSWER: &str = "Returns are free for fourteen days after the delivery.";
const OTHER: &str = "We sell green tea and black tea from four gardens.";

/// A file, and where it answers the question.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) content: Vec<u8>,
    pub(crate) page: Option<i32>,
    /// The headings it stands under; of a workbook the sheet.
    pub(crate) heading: Option<&'static str>,
}

/// One row for each type of file.
pub(crate) fn rows() -> Vec<Row> {
    let pages: [&[&str]; 2] = [&[OTHER], &[ANSWER]];
    vec![
        Row {
            name: "rules.txt",
            media_type: "text/plain",
            content: format!("{OTHER}\n\n{ANSWER}").into_bytes(),
            page: None,
            heading: None,
        },
        Row {
            name: "rules.md",
            media_type: "text/markdown",
            content: format!("# Tea\n\n{OTHER}\n\n# Returns\n\n{ANSWER}\n").into_bytes(),
            page: None,
            heading: Some("Returns"),
        },
        Row {
            name: "rules.pdf",
            media_type: "application/pdf",
            content: Pdf::with_pages(&pages).bytes(),
            page: Some(2),
            heading: None,
        },
    ]
}

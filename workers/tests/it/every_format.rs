//! One file of each type that can be read, all of which answer the same question.

use rust_xlsxwriter::Workbook;

use crate::office_writer as office;
use crate::pdf_writer::Pdf;

pub(crate) const QUESTION: &str = "For how many days are returns free?";
/// What every right answer says.
pub(crate) const SAYS: &str = "fourteen days";

const ANSWER: &str = "Returns are free for fourteen days after the delivery.";
/// Long enough to be a passage of its own.
const OTHER: &str = "We sell green tea and black tea from four gardens. The first garden lies by the \
    river and is picked in spring, the second one on the northern hill, where fog keeps the leaves \
    soft until noon. The third belongs to a family that has grown tea for a century, and the fourth \
    is the youngest of them: its bushes were planted nine years ago and give a light, sweet cup. Every \
    bag names its garden, the week of the harvest and the person who packed it.";
/// Short enough for a line.
const SHORT: &str = "We sell green tea and black tea from four gardens.";

/// A file, and where it answers the question.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) content: Vec<u8>,
    pub(crate) page: Option<i32>,
    /// The headings it stands under; of a workbook the sheet.
    pub(crate) heading: Option<&'static str>,
    /// Who wrote it, where it says so.
    pub(crate) author: Option<&'static str>,
}

/// One row for each type of file.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = plain_rows();
    rows.extend(office_rows());
    rows
}

fn plain_rows() -> Vec<Row> {
    let pages: [&[&str]; 2] = [&[SHORT], &[ANSWER]];
    vec![
        Row {
            name: "rules.txt",
            media_type: "text/plain",
            content: format!("{OTHER}\n\n{ANSWER}").into_bytes(),
            page: None,
            heading: None,
            author: None,
        },
        Row {
            name: "rules.md",
            media_type: "text/markdown",
            content: format!("# Tea\n\n{OTHER}\n\n# Returns\n\n{ANSWER}\n").into_bytes(),
            page: None,
            heading: Some("Returns"),
            author: None,
        },
        Row {
            name: "rules.pdf",
            media_type: "application/pdf",
            content: Pdf::with_pages(&pages).bytes(),
            page: Some(2),
            heading: None,
            author: Some("Ada Lovelace"),
        },
        Row {
            name: "rules.csv",
            media_type: "text/csv",
            content: format!("Topic;Rule\nTea;{OTHER}\nReturns;{ANSWER}\n").into_bytes(),
            page: None,
            heading: None,
            author: None,
        },
        Row {
            name: "rules.html",
            media_type: "text/html",
            content: format!(
                "<html><nav>Home</nav><h1>Tea</h1><p>{OTHER}</p><h1>Returns</h1><p>{ANSWER}</p>"
            )
            .into_bytes(),
            page: None,
            heading: Some("Returns"),
            author: None,
        },
    ]
}

fn office_rows() -> Vec<Row> {
    vec![
        Row {
            name: "rules.docx",
            media_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            content: office::docx(&word()),
            page: None,
            heading: Some("Returns"),
            author: Some("Ada Lovelace"),
        },
        Row {
            name: "rules.pptx",
            media_type: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            content: office::pptx(&[("Tea", &[OTHER], ""), ("Returns", &[ANSWER], "")]),
            page: Some(2),
            heading: Some("Returns"),
            author: Some("Ada Lovelace"),
        },
        Row {
            name: "rules.xlsx",
            media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            content: workbook(),
            page: None,
            heading: Some("Returns"),
            author: None,
        },
        Row {
            name: "rules.ods",
            media_type: "application/vnd.oasis.opendocument.spreadsheet",
            content: office::ods(&sheets()),
            page: None,
            heading: Some("Returns"),
            author: Some("Ada"),
        },
        Row {
            name: "rules.xls",
            media_type: "application/vnd.ms-excel",
            content: office::xls("Returns", &TABLE),
            page: None,
            heading: Some("Returns"),
            author: None,
        },
    ]
}

const TABLE: [&[&str]; 3] = [&["Topic", "Rule"], &["Tea", OTHER], &["Returns", ANSWER]];

fn word() -> String {
    [("Tea", OTHER), ("Returns", ANSWER)]
        .map(|(title, text)| office::heading(1, title) + &office::paragraph("", text))
        .concat()
}

/// The sheets of an OpenDocument spreadsheet.
fn sheets() -> String {
    let cell = |text: &str| {
        format!(
            "<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>"
        )
    };
    let row = |cells: [&str; 2]| {
        let cells = cells.map(cell).concat();
        format!("<table:table-row>{cells}</table:table-row>")
    };
    let sheet = |(name, text)| {
        let rows = [row(["Topic", "Rule"]), row([name, text])].concat();
        format!("<table:table table:name=\"{name}\">{rows}</table:table>")
    };
    [("Tea", OTHER), ("Returns", ANSWER)].map(sheet).concat()
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    for (name, text) in [("Tea", OTHER), ("Returns", ANSWER)] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        sheet
            .write_row_matrix(0, 0, [["Topic", "Rule"], [name, text]])
            .unwrap();
    }
    book.save_to_buffer().unwrap()
}

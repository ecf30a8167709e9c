//! Word documents beyond the plain ones: lists that begin anew, lists of styles, hidden text, notes of
//! several paragraphs, rows that begin late.

use rag::extract::MediaType;

use crate::office_writer as office;
use crate::reader::read;

const W: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";

/// What is read of a document of these parts, by name and content.
async fn text_of(parts: &[(&str, &str)]) -> String {
    let whole = |name: &str, content: &str| {
        let root = if name == "document" {
            format!("<w:body>{content}</w:body>")
        } else {
            content.to_owned()
        };
        let path = format!("word/{name}.xml");
        (path, format!("<w:{name} {W}>{root}</w:{name}>"))
    };
    let parts: Vec<(String, String)> = parts
        .iter()
        .map(|(name, content)| whole(name, content))
        .collect();
    let mut named: Vec<(&str, &str)> = parts
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_str()))
        .collect();
    let relations = office::relations(&[("officeDocument", "word/document.xml")]);
    named.push(("_rels/.rels", &relations));
    let read = read(MediaType::Docx, &office::archive(&named)).await;
    read.unwrap().text()
}

fn level(at: u32, format: &str, text: &str, more: &str) -> String {
    format!(
        "<w:lvl w:ilvl=\"{at}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/>{more}\
         <w:lvlText w:val=\"{text}\"/></w:lvl>"
    )
}

fn definition(id: u32, inside: &str) -> String {
    format!("<w:abstractNum w:abstractNumId=\"{id}\">{inside}</w:abstractNum>")
}

fn list(id: u32, definition: u32, more: &str) -> String {
    format!("<w:num w:numId=\"{id}\"><w:abstractNumId w:val=\"{definition}\"/>{more}</w:num>")
}

#[tokio::test]
async fn lists_begin_anew_where_the_document_says_so() {
    let anew = "<w:lvlOverride w:ilvl=\"0\"><w:startOverride w:val=\"1\"/></w:lvlOverride>";
    let own = format!(
        "<w:lvlOverride w:ilvl=\"0\">{}</w:lvlOverride>",
        level(0, "upperLetter", "%1)", "")
    );
    let lists = definition(1, &level(0, "decimal", "%1.", ""))
        + &definition(2, &level(0, "decimal", "%1.", ""))
        + &list(1, 1, "")
        + &list(2, 1, anew)
        + &list(3, 2, &own);
    let items = [
        (1, "Boil"),
        (1, "Pour"),
        (2, "Fill"),
        (2, "Drink"),
        (3, "Wash"),
    ];
    let body: String = items
        .iter()
        .map(|(list, text)| office::item(*list, 0, text))
        .collect();
    assert_eq!(
        text_of(&[("document", &body), ("numbering", &lists)]).await,
        "1. Boil\n2. Pour\n1. Fill\n2. Drink\nA) Wash"
    );
}

#[tokio::test]
async fn styles_name_their_list_and_lists_the_level_of_a_style() {
    let of_style = |style: &str| format!("<w:pStyle w:val=\"{style}\"/>");
    let lists = definition(
        1,
        &("<w:styleLink w:val=\"Steps\"/>".to_owned()
            + &level(0, "decimal", "%1", &of_style("H1"))
            + &level(1, "decimal", "%1.%2", &of_style("H2"))),
    ) + &definition(2, "<w:numStyleLink w:val=\"Steps\"/>")
        + &list(1, 1, "")
        + &list(2, 2, "");
    let style = |id: &str, name: &str, more: &str| {
        format!("<w:style w:styleId=\"{id}\"><w:name w:val=\"{name}\"/>{more}</w:style>")
    };
    let numbered = "<w:pPr><w:numPr><w:numId w:val=\"1\"/></w:numPr></w:pPr>";
    let styles = style("H1", "heading 1", numbered)
        + &style(
            "H2",
            "heading 2",
            &format!("<w:basedOn w:val=\"H1\"/>{numbered}"),
        );
    let body = [
        office::heading(1, "Tea"),
        office::heading(2, "Green"),
        office::heading(2, "Black"),
        office::item(2, 0, "By the link of a style"),
    ];
    let parts = [
        ("document", body.concat()),
        ("numbering", lists),
        ("styles", styles),
    ];
    let parts: Vec<(&str, &str)> = parts
        .iter()
        .map(|(name, content)| (*name, content.as_str()))
        .collect();
    assert_eq!(
        text_of(&parts).await,
        "1 Tea\n\n1.1 Green\n\n1.2 Black\n\n2 By the link of a style"
    );
}

#[tokio::test]
async fn hidden_text_is_left_out_and_what_a_change_hid_is_not() {
    let run = |properties: &str, text: &str| {
        format!("<w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
    };
    let body = format!(
        "<w:p>{}{}{}{}</w:p>",
        run("<w:b/>", "Open at nine"),
        run("<w:vanish/>", " (or ten)"),
        run("<w:vanish w:val=\"0\"/>", ", closed"),
        run(
            "<w:rPrChange><w:rPr><w:vanish/></w:rPr></w:rPrChange>",
            " on Mondays."
        ),
    );
    assert_eq!(
        text_of(&[("document", &body)]).await,
        "Open at nine, closed on Mondays."
    );
}

#[tokio::test]
async fn words_of_a_note_stay_apart() {
    let paragraph = |text: &str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let notes = format!(
        "<w:footnote w:id=\"1\">{}<w:p><w:r><w:t>Not</w:t><w:tab/><w:t>then.</w:t></w:r></w:p>\
         <w:del><w:r><w:t>Never.</w:t></w:r></w:del></w:footnote>",
        paragraph("Except Sundays.")
    );
    let body = "<w:p><w:r><w:t>Open</w:t><w:footnoteReference w:id=\"1\"/></w:r></w:p>";
    assert_eq!(
        text_of(&[("document", body), ("footnotes", &notes)]).await,
        "Open [Except Sundays. Not then.]"
    );
}

#[tokio::test]
async fn cells_of_a_row_that_begins_late_stand_under_their_names() {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", office::paragraph("", text));
    let row = |before: &str, cells: &[&str]| {
        let cells: String = cells.iter().map(|text| cell(text)).collect();
        format!("<w:tr><w:trPr>{before}</w:trPr>{cells}</w:tr>")
    };
    let body = format!(
        "<w:tbl>{}{}{}</w:tbl>",
        row("", &["Kind", "Days", "Fee"]),
        row("", &["Post", "3", "4"]),
        row("<w:gridBefore w:val=\"1\"/>", &["1", "9"]),
    );
    assert_eq!(
        text_of(&[("document", &body)]).await,
        "Kind | Days | Fee\nKind: Post | Days: 3 | Fee: 4\nDays: 1 | Fee: 9"
    );
}

#[tokio::test]
async fn a_box_stands_on_lines_of_its_own_within_its_paragraph() {
    let run = |text: &str| format!("<w:r><w:t>{text}</w:t></w:r>");
    let line = |text: &str| format!("<w:p>{}</w:p>", run(text));
    let boxed = format!(
        "<w:r><w:pict><w:txbxContent>{}{}</w:txbxContent></w:pict></w:r>",
        line("first in the box"),
        line("second in the box"),
    );
    let body = format!("<w:p>{}{boxed}{}</w:p>", run("before"), run("after"));
    let text = text_of(&[("document", &body)]).await;
    assert_eq!(
        text.trim(),
        "before\nfirst in the box\nsecond in the box\nafter"
    );
}

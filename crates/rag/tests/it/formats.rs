//! Every format as its programs write it, read in a child process.

use rag::extract::{ExtractError, MediaType};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use crate::office_writer as office;
use crate::reader::{Read, read};

fn titled(read: &Read) {
    assert_eq!(read.facts.title.as_deref(), Some("House rules"));
    assert_eq!(read.facts.author.as_deref(), Some("Ada Lovelace"));
}

#[tokio::test]
async fn a_word_document_keeps_headings_lists_tables_and_notes() {
    let body = [
        office::heading(1, "Returns"),
        "<w:p><w:r><w:t>Free for thirty days</w:t></w:r><w:r><w:footnoteReference w:id=\"1\"/>\
         <w:t>.</w:t></w:r><w:del><w:r><w:delText>No.</w:delText><w:t>No.</w:t></w:r></w:del>\
         <w:ins><w:r><w:t xml:space=\"preserve\"> Keep the &amp; receipt.</w:t></w:r></w:ins></w:p>"
            .to_owned(),
        office::item(1, 0, "Pack it"),
        office::item(1, 1, "well"),
        office::heading(2, "How"),
        office::item(2, 0, "Print the label"),
        office::item(2, 1, "in colour"),
        office::item(2, 0, "Bring it"),
        office::word_table(&[
            &["Kind", "Days", "Fee"],
            &["Post", "3", "4.50"],
            &["Courier", "1", "9"],
        ]),
        office::paragraph("<w:pStyle w:val=\"Sub\"/>", "Abroad"),
        office::paragraph("", "Ask us."),
    ];
    let read = read(MediaType::Docx, &office::docx(&body.concat()))
        .await
        .unwrap();
    titled(&read);
    assert_eq!(read.facts.media_type, MediaType::Docx);
    assert_eq!(
        read.text(),
        "Returns\n\nFree for thirty days [Not on Sundays.]. Keep the & receipt.\n\n- Pack it\n  \
         - well\n\nHow\n\n1. Print the label\n  a) in colour\n2. Bring it\n\nKind | Days | Fee\n\
         Kind: Post | Days: 3 | Fee: 4.50\nKind: Courier | Days: 1 | Fee: 9\n\nAbroad\n\nAsk us."
    );
    assert_eq!(read.chunks[0].heading.as_deref(), Some("Returns"));
}

#[tokio::test]
async fn merged_cells_of_a_word_table_count_in_each_row() {
    let cell = |properties: &str, text: &str| {
        format!(
            "<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>",
            office::paragraph("", text)
        )
    };
    let row = |cells: [String; 3]| format!("<w:tr>{}</w:tr>", cells.concat());
    let table = [
        row([cell("", "Zone"), cell("", "Kind"), cell("", "Days")]),
        row([
            cell("<w:vMerge w:val=\"restart\"/>", "Inland"),
            cell("", "Post"),
            cell("", "3"),
        ]),
        row([cell("<w:vMerge/>", ""), cell("", "Courier"), cell("", "1")]),
    ];
    let body = format!("<w:tbl>{}</w:tbl>", table.concat());
    let read = read(MediaType::Docx, &office::docx(&body)).await.unwrap();
    assert!(
        read.text()
            .ends_with("Zone: Inland | Kind: Courier | Days: 1"),
        "{}",
        read.text()
    );
}

#[tokio::test]
async fn slides_are_pages() {
    let slides: [(&str, &[&str], &str); 2] = [
        ("Returns", &["Free for thirty days", "Keep the receipt"], ""),
        ("Delivery", &["Two days"], "Say that Sundays do not count"),
    ];
    let read = read(MediaType::Pptx, &office::pptx(&slides)).await.unwrap();
    titled(&read);
    assert_eq!(read.facts.page_count, Some(2));
    let found: Vec<_> = read
        .chunks
        .iter()
        .map(|chunk| (chunk.page, chunk.heading.as_deref(), chunk.text.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                Some(1),
                Some("Returns"),
                "Returns\n\nFree for thirty days\nKeep the receipt"
            ),
            (
                Some(2),
                Some("Delivery"),
                "Delivery\n\nTwo days\n\nSay that Sundays do not count"
            ),
        ]
    );
}

#[tokio::test]
async fn a_workbook_keeps_sheets_dates_and_merged_cells() {
    let mut book = Workbook::new();
    let teas = book.add_worksheet().set_name("Teas").unwrap();
    let date = Format::new().set_num_format("dd.mm.yyyy");
    let time = Format::new().set_num_format("hh:mm");
    teas.write_row(
        0,
        0,
        ["Region", "Kind", "Picked", "Opens", "Price", "Stock"],
    )
    .unwrap();
    let plain = Format::new();
    teas.merge_range(1, 0, 2, 0, "Assam", &plain).unwrap();
    for (row, kind, price) in [(1, "First flush", 12.5), (2, "Second flush", 0.1 + 0.2)] {
        teas.write(row, 1, kind).unwrap();
        let picked = ExcelDateTime::from_ymd(2026, 3, 9).unwrap();
        teas.write_with_format(row, 2, picked, &date).unwrap();
        let opens = ExcelDateTime::from_hms(9, 30, 0).unwrap();
        teas.write_with_format(row, 3, opens, &time).unwrap();
        teas.write(row, 4, price).unwrap();
    }
    teas.write(1, 5, true).unwrap();
    teas.write_formula(2, 5, Formula::new("=1+1").set_result("2"))
        .unwrap();
    let hidden = book.add_worksheet().set_name("Costs").unwrap();
    hidden.write(0, 0, "secret margin").unwrap();
    hidden.set_hidden(true);
    let hours = book.add_worksheet().set_name("Hours").unwrap();
    hours.write_row(3, 2, ["Monday", "nine to six"]).unwrap();
    hours.write_row(4, 2, ["Sunday", "closed"]).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    // What it is counts, and not what it is called.
    let read = read(MediaType::Docx, &bytes).await.unwrap();
    assert_eq!(read.facts.media_type, MediaType::Xlsx);
    let found: Vec<_> = read
        .chunks
        .iter()
        .map(|chunk| (chunk.heading.as_deref().unwrap(), chunk.text.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                "Teas",
                "Teas\n\nRegion | Kind | Picked | Opens | Price | Stock\nRegion: Assam | Kind: \
                 First flush | Picked: 2026-03-09 | Opens: 09:30 | Price: 12.5 | Stock: yes\n\
                 Region: Assam | Kind: Second flush | Picked: 2026-03-09 | Opens: 09:30 | Price: \
                 0.3 | Stock: 2"
            ),
            ("Hours", "Hours\n\nMonday | nine to six\nSunday | closed"),
        ]
    );
}

#[tokio::test]
async fn a_workbook_of_before_2007_is_read() {
    let rows: [&[&str]; 3] = [&["Kind", "Price"], &["Assam", "12.5"], &["Sencha", "9"]];
    let read = read(MediaType::Xls, &office::xls("Teas", &rows))
        .await
        .unwrap();
    assert_eq!(
        read.text(),
        "Teas\n\nKind | Price\nKind: Assam | Price: 12.5\nKind: Sencha | Price: 9"
    );
    assert_eq!(read.chunks[0].heading.as_deref(), Some("Teas"));
}

#[tokio::test]
async fn an_open_document_spreadsheet_is_read() {
    let words = |text: &str| {
        format!(
            "<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>"
        )
    };
    let row = |cells: &str| format!("<table:table-row>{cells}</table:table-row>");
    let tables = format!(
        "<table:table table:name=\"Teas\">{}{}<table:table-row \
         table:number-rows-repeated=\"1048000\"><table:table-cell \
         table:number-columns-repeated=\"16384\"/></table:table-row></table:table>",
        row(&(words("Kind") + &words("Picked") + &words("Share"))),
        row(
            &(words("Assam<office:annotation><text:p>note</text:p></office:annotation>")
                + "<table:table-cell office:value-type=\"date\" office:date-value=\"2026-03-09\">\
               <text:p>9.3.26</text:p></table:table-cell>\
               <table:table-cell office:value-type=\"percentage\" office:value=\"0.19\">\
               <text:p>19 %</text:p></table:table-cell>")
        )
    );
    let read = read(MediaType::Ods, &office::ods(&tables)).await.unwrap();
    assert_eq!(read.facts.title.as_deref(), Some("House rules"));
    assert_eq!(
        read.text(),
        "Teas\n\nKind | Picked | Share\nKind: Assam | Picked: 2026-03-09 | Share: 19 %"
    );
}

#[tokio::test]
async fn tables_as_text_are_read_in_their_encoding() {
    let source = "Größe;Preis\nKlein;3,50\nGroß;4,80\n";
    let bytes: Vec<u8> = source
        .chars()
        .map(|char| u8::try_from(char).unwrap())
        .collect();
    let read = read(MediaType::Csv, &bytes).await.unwrap();
    assert_eq!(
        read.text(),
        "Größe | Preis\nGröße: Klein | Preis: 3,50\nGröße: Groß | Preis: 4,80"
    );
}

#[tokio::test]
async fn a_page_is_read_without_what_leads_through_the_site() {
    let page = "<!doctype html><title>Rules</title><nav>Home</nav><h1>Returns</h1>\
                <p>Free for <b>30</b> days.<script>alert(1)</script>";
    let read = read(MediaType::Html, page.as_bytes()).await.unwrap();
    assert_eq!(read.facts.title.as_deref(), Some("Rules"));
    assert_eq!(read.text(), "Returns\n\nFree for 30 days.");
}

#[tokio::test]
async fn office_files_without_text_or_with_a_password_say_so() {
    let mut empty = Workbook::new();
    empty.add_worksheet();
    let locked = office::ole("EncryptedPackage", vec![7; 5000]);
    let manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>";
    let locked_ods = office::archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", manifest),
    ]);
    for (media_type, bytes, expected) in [
        (MediaType::Docx, office::docx(""), ExtractError::Empty),
        (
            MediaType::Xlsx,
            empty.save_to_buffer().unwrap(),
            ExtractError::Empty,
        ),
        (MediaType::Ods, office::ods(""), ExtractError::Empty),
        (
            MediaType::Docx,
            locked.clone(),
            ExtractError::PasswordProtected,
        ),
        (MediaType::Xlsx, locked, ExtractError::PasswordProtected),
        (MediaType::Ods, locked_ods, ExtractError::PasswordProtected),
        (
            MediaType::Docx,
            b"Just words.".to_vec(),
            ExtractError::NotOffice,
        ),
        (
            MediaType::Xls,
            b"Just words.".to_vec(),
            ExtractError::NotOffice,
        ),
        (
            MediaType::Xls,
            office::ole("WordDocument", vec![7; 5000]),
            ExtractError::NotOffice,
        ),
        (
            MediaType::Docx,
            office::archive(&[("a.txt", "words")]),
            ExtractError::Damaged,
        ),
    ] {
        let error = read(media_type, &bytes).await.unwrap_err();
        assert_eq!(error.to_string(), expected.to_string(), "{media_type}");
    }
}

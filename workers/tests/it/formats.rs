//! Every format from the upload to the passage that is found, with the place that it cites.

use domain::{ChunkMethod, ChunkingSettings, DocumentStatus};
use rust_xlsxwriter::Workbook;

use crate::office_writer as office;
use crate::stage::{Stage, settings};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const XLS: &str = "application/vnd.ms-excel";
const ODS: &str = "application/vnd.oasis.opendocument.spreadsheet";

const ROWS: [&[&str]; 3] = [
    &["Kind", "Origin", "Price"],
    &["Assam", "India", "12.5"],
    &["Sencha", "Japan", "9"],
];

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet()
        .set_name("Hours")
        .unwrap()
        .write(0, 0, "Open from nine to six.")
        .unwrap();
    let teas = book.add_worksheet().set_name("Teas").unwrap();
    teas.write_row_matrix(0, 0, ROWS.map(|row| row.iter().copied()))
        .unwrap();
    book.save_to_buffer().unwrap()
}

fn open_document() -> Vec<u8> {
    let cell =
        |text: &&str| format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>");
    let row = |cells: &[&str]| {
        let cells: String = cells.iter().map(cell).collect();
        format!("<table:table-row>{cells}</table:table-row>")
    };
    let rows: String = ROWS.iter().map(|cells| row(cells)).collect();
    office::ods(&format!(
        "<table:table table:name=\"Teas\">{rows}</table:table>"
    ))
}

/// A file, and the place and the words at which its answer is found.
struct Sample {
    name: &'static str,
    media_type: &'static str,
    content: Vec<u8>,
    heading: Option<&'static str>,
    page: Option<i32>,
    text: &'static str,
}

fn samples() -> Vec<Sample> {
    let slides: [office::Slide<'_>; 2] = [
        ("Hours", &["Open from nine to six."], ""),
        ("Teas", &["Sencha costs 9 euro a bag."], ""),
    ];
    let word = office::heading(1, "Teas") + &office::word_table(&ROWS);
    let page =
        "<html><nav>Home</nav><h1>Teas</h1><table><tr><th>Kind<th>Price<tr><td>Sencha<td>9</table>";
    let row = "Kind: Sencha | Origin: Japan | Price: 9";
    let short = "Kind: Sencha | Price: 9";
    let sample = |name, media_type, content, text| Sample {
        name,
        media_type,
        content,
        heading: Some("Teas"),
        page: None,
        text,
    };
    vec![
        sample("a.docx", DOCX, office::docx(&word), row),
        sample("a.xlsx", XLSX, workbook(), row),
        sample("a.xls", XLS, office::xls("Teas", &ROWS), row),
        sample("a.ods", ODS, open_document(), row),
        sample("a.html", "text/html", page.into(), short),
        Sample {
            heading: None,
            ..sample(
                "a.csv",
                "text/csv",
                b"Kind;Price\nSencha;9\n".to_vec(),
                short,
            )
        },
        Sample {
            page: Some(2),
            ..sample("a.pptx", PPTX, office::pptx(&slides), "Sencha costs 9")
        },
    ]
}

#[tokio::test]
async fn every_format_is_found_at_its_place() {
    let stage = Stage::start().await;
    for sample in samples() {
        let name = sample.name;
        let id = stage.upload(name, sample.media_type, &sample.content).await;
        let ready = stage.stands(id, DocumentStatus::Ready).await;
        assert_eq!(ready.error, None, "{name}");
        let found = stage.passages("What does Sencha cost?").await;
        let best = &found[0];
        assert_eq!(best.source.heading.as_deref(), sample.heading, "{name}");
        assert_eq!(best.source.page, sample.page, "{name}");
        assert!(best.text.contains(sample.text), "{name}: {}", best.text);
        stage.delete_document(id).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn documents_are_cut_as_the_tenant_set_it() {
    let mut settings = settings();
    settings.chunking = ChunkingSettings {
        method: ChunkMethod::Fixed,
        max_tokens: 32,
        overlap_tokens: 0,
    };
    let stage = Stage::start_with(settings).await;
    let content = "word ".repeat(32 * 300);
    let id = stage
        .upload("a.txt", "text/plain", content.as_bytes())
        .await;
    // More than one run of the reader, and more than one job of the embedder.
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert!((300..=320).contains(&ready.chunk_count), "{ready:?}");
    assert_eq!(stage.count("chunks WHERE token_count > 32").await, 0);
    stage.end().await;
}

#[tokio::test]
async fn a_file_that_fails_in_the_middle_leaves_nothing() {
    let stage = Stage::start().await;
    let id = stage.upload("a.docx", DOCX, b"Just words.").await;
    let failed = stage.stands(id, DocumentStatus::Failed).await;
    assert_eq!(
        failed.error.as_deref(),
        Some("The file is not an Office document although its name says so.")
    );
    assert_eq!(stage.count("chunks").await, 0);
    stage.end().await;
}

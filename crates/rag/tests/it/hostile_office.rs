//! Office documents, tables and pages made to break readers.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rag::extract::{ExtractError, MediaType, read};
use rust_xlsxwriter::Workbook;

use crate::hostile::survive_as;
use crate::office_writer as office;
use crate::reader::read as read_in_child;

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_row(0, 0, ["Kind", "Price", "Origin"]).unwrap();
    sheet.write_row(1, 0, ["Assam", "12", "India"]).unwrap();
    book.save_to_buffer().unwrap()
}

/// A small file of every format.
fn samples() -> Vec<(MediaType, Vec<u8>)> {
    let slides: [(&str, &[&str], &str); 1] = [("Returns", &["Free"], "note")];
    let rows: [&[&str]; 2] = [&["Kind", "Price"], &["Assam", "12.5"]];
    let body = office::heading(1, "Returns") + &office::word_table(&rows);
    let cell = "<table:table-cell><text:p>words</text:p></table:table-cell>";
    let table = format!(
        "<table:table table:name=\"a\"><table:table-row>{cell}</table:table-row></table:table>"
    );
    vec![
        (MediaType::Docx, office::docx(&body)),
        (MediaType::Pptx, office::pptx(&slides)),
        (MediaType::Xlsx, workbook()),
        (MediaType::Xls, office::xls("Teas", &rows)),
        (MediaType::Ods, office::ods(&table)),
        (
            MediaType::Html,
            b"<table><tr><th>a<td>b</table><p>&amp;&#8364;<ul><li>c".to_vec(),
        ),
        (MediaType::Csv, b"a;b;c\n\"1\";2;3\n".to_vec()),
        (
            MediaType::Markdown,
            b"# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".to_vec(),
        ),
    ]
}

#[tokio::test]
async fn bombs_are_refused() {
    let zeros = office::archive_of_zeros("word/document.xml", 300 << 20);
    assert!(zeros.len() < 1 << 20);
    let error = survive_as(MediaType::Docx, &zeros).await.unwrap_err();
    assert_eq!(error.to_string(), ExtractError::Bomb.to_string());
    // The same, called small by its directory.
    let mut lying = zeros.clone();
    for at in 0..lying.len() - 30 {
        let size_at = match &lying[at..at + 4] {
            b"PK\x03\x04" => at + 22,
            b"PK\x01\x02" => at + 24,
            _ => continue,
        };
        let size = u32::from_le_bytes(lying[size_at..size_at + 4].try_into().unwrap());
        if size > 1 << 20 {
            lying[size_at..size_at + 4].copy_from_slice(&1000_u32.to_le_bytes());
        }
    }
    assert_ne!(zeros, lying);
    let error = survive_as(MediaType::Docx, &lying).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    let many: Vec<String> = (0..21_000).map(|at| format!("word/{at}.xml")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    let error = survive_as(MediaType::Docx, &office::archive(&many))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), ExtractError::Bomb.to_string());
}

#[tokio::test]
async fn entities_are_not_expanded() {
    let laughs = "<!DOCTYPE d [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let files = [
        (
            MediaType::Docx,
            "word/document.xml",
            "<w:p><w:t>&b;</w:t></w:p>",
        ),
        (MediaType::Pptx, "ppt/presentation.xml", "<p>&b;</p>"),
        (
            MediaType::Xlsx,
            "xl/workbook.xml",
            "<workbook>&b;</workbook>",
        ),
    ];
    for (media_type, main, xml) in files {
        let bytes = office::archive(&[
            (
                "_rels/.rels",
                &office::relations(&[("officeDocument", main)]),
            ),
            (main, &format!("{laughs}{xml}")),
        ]);
        let error = survive_as(media_type, &bytes).await.unwrap_err();
        assert!(
            matches!(error, ExtractError::Entities | ExtractError::Damaged),
            "{media_type}: {error}"
        );
    }
}

#[tokio::test]
async fn nesting_without_end_is_refused_or_read() {
    let deep = |open: &str, close: &str| open.repeat(20_000) + "words" + &close.repeat(20_000);
    let docx = office::docx(&deep("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"));
    let error = survive_as(MediaType::Docx, &docx).await.unwrap_err();
    assert_eq!(error.to_string(), ExtractError::TooDeep.to_string());
    let ods = office::ods(&deep("<table:table>", "</table:table>"));
    survive_as(MediaType::Ods, &ods).await.unwrap_err();
    let html = deep("<div><b>", "</b></div>");
    let page = survive_as(MediaType::Html, html.as_bytes()).await.unwrap();
    assert_eq!(page.text(), "words");
}

#[tokio::test]
async fn sheets_that_are_far_apart_or_repeat_cost_nothing() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "first").unwrap();
    sheet.write(1_048_575, 16_383, "last").unwrap();
    let read = survive_as(MediaType::Xlsx, &book.save_to_buffer().unwrap())
        .await
        .unwrap();
    assert_eq!(read.text(), "Sheet1\n\nfirst\n\nlast");
    let cell = "<table:table-cell table:number-columns-repeated=\"16384\"><text:p>x</text:p></table:table-cell>";
    let row =
        format!("<table:table-row table:number-rows-repeated=\"1048576\">{cell}</table:table-row>");
    let table = format!("<table:table table:name=\"a\">{row}{row}</table:table>");
    let read = survive_as(MediaType::Ods, &office::ods(&table))
        .await
        .unwrap();
    assert!(read.text().len() < 1000, "{}", read.text().len());
}

#[tokio::test]
async fn a_table_of_more_cells_than_are_read_says_so() {
    // 64 columns of one value: what a reader takes of a cell that repeats.
    let cell = "<table:table-cell table:number-columns-repeated=\"64\"><text:p>1</text:p></table:table-cell>";
    let row = format!("<table:table-row>{}</table:table-row>", cell.repeat(125));
    let table = format!(
        "<table:table table:name=\"a\">{}</table:table>",
        row.repeat(626)
    );
    let line = "1,".repeat(8000) + "\n";
    for (media_type, bytes) in [
        (MediaType::Ods, office::ods(&table)),
        (MediaType::Csv, line.repeat(626).into_bytes()),
    ] {
        let error = read_in_child(media_type, &bytes).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "The workbook has too many filled cells: more than 5 million.",
            "{media_type}"
        );
    }
}

#[tokio::test]
async fn old_workbooks_take_memory_for_what_is_not_there_but_no_more_than_allowed() {
    let far = |column| office::xls_of("a", &[(0, 0, "first"), (65_535, column, "last")]);
    let read = survive_as(MediaType::Xls, &far(25)).await.unwrap();
    assert_eq!(read.text(), "a\n\nfirst\n\nlast");
    // All columns of all rows, twice.
    let error = survive_as(MediaType::Xls, &far(255)).await.unwrap_err();
    assert_eq!(error.to_string(), ExtractError::TooMuchMemory.to_string());
}

#[tokio::test]
async fn files_cut_off_anywhere_end_in_an_answer() {
    for (media_type, whole) in samples() {
        survive_as(media_type, &whole).await.unwrap();
        for parts in [1, 4, 6, 7] {
            survive_as(media_type, &whole[..whole.len() * parts / 8])
                .await
                .ok();
        }
    }
}

/// In this very process, so that thousands of files take seconds: what is looked for are readers
/// that panic or do not end. The child would catch both.
#[test]
fn files_with_wrong_bytes_are_read_or_refused() {
    let samples = samples();
    let mut runner = TestRunner::new(Config::with_cases(400));
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    let file = (0..samples.len(), changes, any::<prop::sample::Index>());
    runner
        .run(&file, |(at, changes, end)| {
            let (media_type, mut bytes) = samples[at].clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let end = end.index(bytes.len() * 3).min(bytes.len());
            bytes.truncate(end.max(1));
            // Old workbooks are read by a library that is known to panic; the child stands it.
            let outcome = std::panic::catch_unwind(|| read(media_type, &bytes));
            prop_assert!(
                outcome.is_ok() || media_type == MediaType::Xls,
                "{media_type}"
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn noise_is_read_or_refused() {
    let mut runner = TestRunner::new(Config::with_cases(200));
    let noise = prop::collection::vec(any::<u8>(), 1..400);
    let marked = ("PK\u{3}\u{4}|<html>|%PDF-|a,b\n|# ", noise);
    let types = prop::sample::select(MediaType::ALL);
    runner
        .run(&(types, marked), |(media_type, (mark, noise))| {
            let bytes = [mark.as_bytes(), &noise].concat();
            let outcome = std::panic::catch_unwind(|| read(media_type, &bytes));
            let may_panic = matches!(media_type, MediaType::Xls);
            prop_assert!(outcome.is_ok() || may_panic, "{media_type}");
            Ok(())
        })
        .unwrap();
}

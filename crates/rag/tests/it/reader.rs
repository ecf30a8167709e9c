use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use rag::extract::{ExtractError, Extracted, Limits, MediaType, run};

use crate::pdf_writer::Pdf;

/// Reads `bytes` in a real child process.
pub(crate) async fn read(media_type: MediaType, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    read_within(media_type, bytes, &Limits::default()).await
}

pub(crate) async fn read_within(
    media_type: MediaType,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Extracted, ExtractError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let exe = Path::new(env!("CARGO_BIN_EXE_rag-extract-child"));
    run(exe, media_type, file.path(), limits).await
}

fn part(extracted: &Extracted, start: usize, end: usize) -> String {
    extracted
        .text
        .chars()
        .skip(start)
        .take(end - start)
        .collect()
}

#[tokio::test]
async fn a_pdf_comes_back_with_its_pages_and_its_title() {
    let pdf = Pdf::with_pages(&[
        &["Returns are free for thirty days.", "Keep the receipt."],
        &["Parcels leave our house the same day."],
    ]);
    let extracted = read(MediaType::Pdf, &pdf.bytes()).await.unwrap();
    assert_eq!(extracted.title.as_deref(), Some("House rules"));
    assert_eq!(extracted.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(extracted.page_count, Some(2));
    let [first, second] = extracted.pages[..] else {
        panic!("{:?}", extracted.pages);
    };
    assert_eq!((first.page, second.page), (1, 2));
    let first = part(&extracted, first.start, first.end);
    assert!(
        first.contains("thirty days") && first.contains("receipt"),
        "{first}"
    );
    let second = part(&extracted, second.start, second.end);
    assert_eq!(second, "Parcels leave our house the same day.");
}

#[tokio::test]
async fn an_empty_page_keeps_its_number() {
    let pdf = Pdf::with_pages(&[&["One"], &[], &["Three"]]);
    let extracted = read(MediaType::Pdf, &pdf.bytes()).await.unwrap();
    assert_eq!(extracted.page_count, Some(3));
    let pages: Vec<u32> = extracted.pages.iter().map(|span| span.page).collect();
    assert_eq!(pages, [1, 3]);
}

#[tokio::test]
async fn markdown_comes_back_with_its_headings() {
    let text = "# Versand\n\nWir liefern täglich.\n\n## Ausland\n\nZwölf Euro.\n";
    let extracted = read(MediaType::Markdown, text.as_bytes()).await.unwrap();
    assert_eq!(extracted.text, text);
    assert_eq!(extracted.title.as_deref(), Some("Versand"));
    assert_eq!(extracted.headings[1].start, 33);
    assert_eq!(extracted.page_count, None);
}

#[tokio::test]
async fn a_scan_is_told_from_an_empty_file() {
    let scan = Pdf::with_pages(&[&[], &[]]);
    let error = read(MediaType::Pdf, &scan.bytes()).await.unwrap_err();
    assert!(matches!(error, ExtractError::NoText), "{error}");
    let error = read(MediaType::Text, b" \n\t\n").await.unwrap_err();
    assert!(matches!(error, ExtractError::Empty), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_pdf_is_called_so() {
    let error = read(MediaType::Pdf, b"Just words.").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The file is not a PDF although its name says so."
    );
    let error = read(MediaType::Text, b"GIF89a\0\0\0").await.unwrap_err();
    assert!(matches!(error, ExtractError::NotText), "{error}");
}

#[tokio::test]
async fn a_password_is_asked_for_by_name() {
    // Standard security handler, revision 3, made-up hashes: no password opens it.
    let mut pdf = Pdf::with_pages(&[&["Secret"]]);
    pdf.object(&format!(
        "<< /Filter /Standard /V 2 /R 3 /Length 128 /P -3904 /O <{}> /U <{}> >>",
        "5a".repeat(32),
        "a5".repeat(32)
    ));
    pdf.trailer("/Encrypt 7 0 R /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]");
    let error = read(MediaType::Pdf, &pdf.bytes()).await.unwrap_err();
    assert_eq!(error.to_string(), "The PDF is protected by a password.");
}

#[tokio::test]
async fn a_reader_over_its_time_is_stopped() {
    let long = "Words and more words. ".repeat(2_000_000);
    let limits = Limits {
        wall: Duration::from_millis(1),
        ..Limits::default()
    };
    let error = read_within(MediaType::Text, long.as_bytes(), &limits)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Reading the file took longer than 1 seconds."
    );
}

#[tokio::test]
async fn a_reader_over_its_memory_is_stopped() {
    // Past the resident limit by little: the watch. Past the address space by far: the child itself.
    let long = "Words and more words. ".repeat(3_000_000);
    let limits = Limits {
        memory_bytes: 32 << 20,
        ..Limits::default()
    };
    let error = read_within(MediaType::Text, long.as_bytes(), &limits)
        .await
        .unwrap_err();
    assert!(matches!(error, ExtractError::TooMuchMemory), "{error}");
}

#[tokio::test]
async fn more_text_than_allowed_is_refused() {
    let limits = Limits {
        output_bytes: 1000,
        ..Limits::default()
    };
    let error = read_within(MediaType::Text, &b"word ".repeat(300), &limits)
        .await
        .unwrap_err();
    assert!(matches!(error, ExtractError::TooMuchText), "{error}");
}

#[tokio::test]
async fn a_reader_that_cannot_start_is_worth_another_try() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let exe = file.path().with_extension("missing");
    let error = run(&exe, MediaType::Text, file.path(), &Limits::default())
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn the_child_sees_no_environment_and_no_crowd_of_files() {
    // `/bin/sh -c` would need another argument; `env` as the reader prints what it was given.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"x").unwrap();
    let script = tempfile::TempDir::new().unwrap();
    let exe = script.path().join("reader");
    std::fs::write(
        &exe,
        "#!/bin/sh\nset -- \"$(/usr/bin/env | /bin/grep -v -e ^PWD= -e ^_= -e ^SHLVL= )\"\n\
         [ -z \"$1\" ] && exit 14\nexit 15\n",
    )
    .unwrap();
    let mut rights = std::fs::metadata(&exe).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    std::fs::set_permissions(&exe, rights).unwrap();
    let error = run(&exe, MediaType::Text, file.path(), &Limits::default())
        .await
        .unwrap_err();
    // 14 is the code of an empty file: here of an empty environment.
    assert!(matches!(error, ExtractError::Empty), "{error}");
}

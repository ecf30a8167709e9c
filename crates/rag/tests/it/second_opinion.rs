//! PDFs of which the first reader makes nothing, or too little, and the second one all.

use rag::extract::{ExtractError, MediaType};
use unpdf::PdfParser;

use crate::pdf_writer::{Pdf, text_operators};
use crate::reader::{Read, read};

/// The list of a cover and of the pages behind it, as it stands in their parent.
const HERE: &str = "[4 0 R 6 0 R]";
/// The same list as an object of its own, which is as good by the format; `unpdf` does not follow.
const ELSEWHERE: &str = "12 0 R";

const RETURNS: &str = "Returns are free for thirty days.";
const PARCELS: &str = "Parcels leave our house the same day.";

/// A document of a cover and two pages. These are listed by an object of their own, and the cover is
/// listed as `kids` says.
fn document(kids: &str, cover: &[&str]) -> Pdf {
    let mut pdf = Pdf::default();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object(&format!("<< /Type /Pages /Kids {kids} /Count 3 >>"));
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    add_page(&mut pdf, 2, 5, cover);
    pdf.object("<< /Type /Pages /Parent 2 0 R /Kids 7 0 R /Count 2 >>");
    pdf.object("[8 0 R 10 0 R]");
    add_page(&mut pdf, 6, 9, &[RETURNS]);
    add_page(&mut pdf, 6, 11, &[PARCELS]);
    pdf.object(HERE);
    pdf
}

/// Adds a page, and its content as the object with this number.
fn add_page(pdf: &mut Pdf, parent: u32, content: u32, lines: &[&str]) {
    pdf.object(&format!(
        "<< /Type /Page /Parent {parent} 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R \
         /Resources << /Font << /F1 3 0 R >> >> >>"
    ));
    pdf.stream(&text_operators(lines));
}

/// How many pages the first reader sees; once it sees all, the tests below tell nothing.
fn pages_of_first_reader(bytes: &[u8]) -> u32 {
    PdfParser::from_bytes(bytes).unwrap().page_count()
}

fn check_all(read: &Read, cover: &str) {
    assert_eq!(read.facts.page_count, Some(3));
    let pages: Vec<_> = read.chunks.iter().map(|chunk| chunk.page).collect();
    assert_eq!(pages, [Some(1), Some(2), Some(3)], "{:?}", read.chunks);
    assert!(read.chunks[0].text.contains(cover), "{:?}", read.chunks);
    assert_eq!(read.chunks[1].text, RETURNS);
    assert_eq!(read.chunks[2].text, PARCELS);
}

#[tokio::test]
async fn a_pdf_in_which_the_first_reader_sees_no_page_is_read_by_the_second() {
    let bytes = document(ELSEWHERE, &["House rules"]).bytes();
    assert_eq!(pages_of_first_reader(&bytes), 0);
    let read = read(MediaType::Pdf, &bytes).await.unwrap();
    check_all(&read, "House rules");
}

#[tokio::test]
async fn a_few_letters_are_not_believed_to_be_all_of_a_pdf() {
    let bytes = document(HERE, &["House rules"]).bytes();
    assert_eq!(pages_of_first_reader(&bytes), 1);
    let read = read(MediaType::Pdf, &bytes).await.unwrap();
    check_all(&read, "House rules");
}

#[tokio::test]
async fn pages_that_only_the_second_reader_reaches_are_not_lost() {
    // Enough to be believed, and to be handed over before the file is read to its end.
    let line = "We sell green tea and black tea from four gardens, whose names are on the bags with the \
                week of the harvest and of the packing.";
    let cover = vec![line; 54];
    let text: usize = cover.iter().map(|line| line.len()).sum();
    let bytes = document(HERE, &cover).bytes();
    assert_eq!(pages_of_first_reader(&bytes), 1);
    let read = read(MediaType::Pdf, &bytes).await.unwrap();
    let covers = read.chunks.iter().filter(|chunk| chunk.page == Some(1));
    let found: usize = covers.map(|chunk| chunk.text.len()).sum();
    assert!(found >= text, "{found} of {text}");
    let rest: Vec<_> = read
        .chunks
        .iter()
        .filter(|chunk| chunk.page != Some(1))
        .map(|chunk| (chunk.page, chunk.text.as_str()))
        .collect();
    assert_eq!(rest, [(Some(2), RETURNS), (Some(3), PARCELS)]);
    assert_eq!(read.facts.page_count, Some(3));
}

#[tokio::test]
async fn a_good_text_is_not_given_up_for_a_number_of_pages_that_is_made_up() {
    let mut pdf = Pdf::default();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [4 0 R] /Count 9 >>");
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    add_page(&mut pdf, 2, 5, &[RETURNS]);
    pdf.object("<< /Title (House rules) >>");
    pdf.trailer("/Info 6 0 R");
    let read = read(MediaType::Pdf, &pdf.bytes()).await.unwrap();
    // Only the first reader knows titles.
    assert_eq!(read.facts.title.as_deref(), Some("House rules"));
    assert_eq!(read.facts.page_count, Some(1));
    assert_eq!(read.text(), RETURNS);
}

#[tokio::test]
async fn what_neither_reader_can_read_keeps_the_reason_of_the_first() {
    let mut pdf = Pdf::default();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [] /Count 0 >>");
    let error = read(MediaType::Pdf, &pdf.bytes()).await.unwrap_err();
    assert!(matches!(error, ExtractError::Damaged), "{error}");
}

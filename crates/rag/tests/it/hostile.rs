//! Files made to break readers: each has to end in an answer or an error, and in good time.

use std::time::{Duration, Instant};

use rag::extract::{ExtractError, Limits, MediaType};

use crate::pdf_writer::Pdf;
use crate::reader::{Read, read_within};

/// Whatever the reader makes of it, it ends, and no fault of the file is worth another try.
async fn survive(bytes: &[u8]) -> Result<Read, ExtractError> {
    survive_as(MediaType::Pdf, bytes).await
}

pub(crate) async fn survive_as(media_type: MediaType, bytes: &[u8]) -> Result<Read, ExtractError> {
    let limits = Limits {
        wall: Duration::from_secs(20),
        cpu: Duration::from_secs(10),
        memory_bytes: 512 << 20,
        ..Limits::default()
    };
    let started = Instant::now();
    let result = read_within(media_type, bytes, &limits).await;
    assert!(started.elapsed() < Duration::from_secs(25));
    if let Err(error) = &result {
        assert!(!error.is_retryable(), "{error:?}");
    }
    result
}

#[tokio::test]
async fn a_pdf_cut_off_anywhere_ends_in_an_answer() {
    let whole = Pdf::with_pages(&[&["Returns are free for thirty days."]]).bytes();
    for parts in 1..8 {
        survive(&whole[..whole.len() * parts / 8]).await.ok();
    }
    let error = survive(&whole[..40]).await.unwrap_err();
    assert!(
        matches!(error, ExtractError::Damaged | ExtractError::NoText),
        "{error}"
    );
}

#[tokio::test]
async fn a_broken_cross_reference_table_is_rebuilt() {
    let whole = Pdf::with_pages(&[&["Returns are free."]]).bytes();
    let text = String::from_utf8(whole).unwrap();
    let at = text.find("startxref\n").unwrap() + "startxref\n".len();
    let broken = format!("{}999999\n%%EOF\n", &text[..at]);
    let read = survive(broken.as_bytes()).await.unwrap();
    assert!(read.text().contains("Returns are free."));
}

#[tokio::test]
async fn tables_that_point_at_each_other_end() {
    let whole = Pdf::with_pages(&[&["Round and round."]]).bytes();
    let text = String::from_utf8(whole).unwrap();
    let xref = text.find("xref\n0 ").unwrap();
    let looped = text.replace("/Root 1 0 R", &format!("/Root 1 0 R /Prev {xref}"));
    survive(looped.as_bytes()).await.ok();
}

#[tokio::test]
async fn a_page_tree_that_holds_itself_ends() {
    let mut pdf = Pdf::default();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 4000000000 >>");
    pdf.object("<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 3 0 R] /Count 99 >>");
    survive(&pdf.bytes()).await.unwrap_err();
}

#[tokio::test]
async fn deep_nesting_takes_nothing_down() {
    for (open, close) in [("[", "]"), ("<< /A ", " >>"), ("(", ")")] {
        let mut pdf = Pdf::with_pages(&[&["Deep."]]);
        pdf.object(&format!(
            "{}1{}",
            open.repeat(200_000),
            close.repeat(200_000)
        ));
        pdf.trailer("/Deep 7 0 R");
        survive(&pdf.bytes()).await.ok();
    }
    let mut operators = Pdf::with_pages(&[&["Deep."]]);
    let content = format!("{} BT ET", "[".repeat(500_000));
    operators.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 8 0 R >>");
    operators.stream(&content);
    survive(&operators.bytes()).await.ok();
}

#[tokio::test]
async fn a_form_that_draws_itself_ends() {
    let mut pdf = Pdf::default();
    pdf.object("<< /Type /Catalog /Pages 2 0 R >>");
    pdf.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    pdf.object(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /XObject << /X 5 0 R >> >> >>",
    );
    pdf.stream("/X Do /X Do");
    let draws = "/X Do /X Do /X Do";
    pdf.object(&format!(
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >> \
         /Length {} >>\nstream\n{draws}\nendstream",
        draws.len()
    ));
    survive(&pdf.bytes()).await.unwrap_err();
}

#[tokio::test]
async fn lengths_that_lie_do_no_harm() {
    let text = String::from_utf8(Pdf::with_pages(&[&["Lies."]]).bytes()).unwrap();
    for lie in [
        "/Length 9999999999999",
        "/Length -1",
        "/Length 6 0 R",
        "/Length 18446744073709551615",
    ] {
        let start = text.find("/Length ").unwrap();
        let end = start + text[start..].find(" >>").unwrap();
        let lying = format!("{}{lie}{}", &text[..start], &text[end..]);
        survive(lying.as_bytes()).await.ok();
    }
}

#[tokio::test]
async fn garbage_behind_a_pdf_mark_is_damaged() {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state.to_le_bytes()[0]);
    }
    survive(&bytes).await.unwrap_err();
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use unpdf::{Block, Document, ErrorKind, ParseOptions};

use super::assembly::Assembly;
use super::{ExtractError, Extracted, MediaType, media_type};

/// Reads a PDF by `unpdf`; if that fails or finds no text, by `pdf-extract`.
pub(super) fn read(bytes: &[u8]) -> Result<Extracted, ExtractError> {
    if !media_type::is_pdf(bytes) {
        return Err(ExtractError::NotPdf);
    }
    let first = guarded(|| by_unpdf(bytes));
    if matches!(first, Ok(_) | Err(ExtractError::PasswordProtected)) {
        return first;
    }
    guarded(|| by_pdf_extract(bytes)).or(first)
}

/// A reader that panics has failed; the other one gets its turn.
fn guarded(
    reader: impl FnOnce() -> Result<Extracted, ExtractError>,
) -> Result<Extracted, ExtractError> {
    catch_unwind(AssertUnwindSafe(reader)).unwrap_or(Err(ExtractError::Crashed))
}

fn by_unpdf(bytes: &[u8]) -> Result<Extracted, ExtractError> {
    // One thread: the child has a limit of address space, which each further one would eat.
    let options = ParseOptions::new().lenient().sequential();
    let document =
        unpdf::parse_bytes_with_options(bytes, options).map_err(|error| match error.kind() {
            ErrorKind::Encrypted | ErrorKind::InvalidPassword => ExtractError::PasswordProtected,
            ErrorKind::UnknownFormat => ExtractError::NotPdf,
            _ => ExtractError::Damaged,
        })?;
    if document.pages.is_empty() {
        return Err(ExtractError::Damaged);
    }
    let mut assembly = Assembly::new(MediaType::Pdf);
    assembly.page_count(document.pages.len());
    assembly.title(document.metadata.title.as_deref());
    assembly.author(document.metadata.author.as_deref());
    push_pages(&mut assembly, &document);
    with_text(assembly)
}

fn push_pages(assembly: &mut Assembly, document: &Document) {
    for page in &document.pages {
        assembly.page(page.number, |assembly| {
            for block in &page.elements {
                let mut text = String::new();
                block.append_plain_text(&mut text);
                let text = text.trim();
                let level = match block {
                    Block::Paragraph(paragraph) => paragraph.heading_level(),
                    _ => None,
                };
                match level {
                    _ if text.is_empty() => {}
                    Some(level) => assembly.push_heading(level, text),
                    None => assembly.push_block(text),
                }
            }
        });
    }
}

fn by_pdf_extract(bytes: &[u8]) -> Result<Extracted, ExtractError> {
    let pages =
        pdf_extract::extract_text_from_mem_by_pages(bytes).map_err(|_| ExtractError::Damaged)?;
    let mut assembly = Assembly::new(MediaType::Pdf);
    assembly.page_count(pages.len());
    for (number, text) in (1..).zip(&pages) {
        let text = text.trim();
        if !text.is_empty() {
            assembly.page(number, |assembly| assembly.push_block(text));
        }
    }
    with_text(assembly)
}

fn with_text(assembly: Assembly) -> Result<Extracted, ExtractError> {
    if assembly.text().chars().any(char::is_alphanumeric) {
        Ok(assembly.finish())
    } else {
        Err(ExtractError::NoText)
    }
}

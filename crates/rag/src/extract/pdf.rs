//! PDF.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use unpdf::{Block, ErrorKind, Page, PageStreamOptions, ParseEvent, ParseOptions, PdfParser};

use super::assembly::Assembly;
use super::progress::Watch;
use super::table::{Cell, Header, Table};
use super::{ExtractError, Extracted, MediaType, Unit, sniff};

/// Fewer letters and digits than this a page are too few to be all of a text.
const LETTERS_OF_A_PAGE: usize = 16;
/// What a second opinion on a text that is there may take.
const SECOND_OPINION: Duration = Duration::from_secs(20);
const STACK_BYTES: usize = 64 << 20;

/// Reads a PDF by `unpdf`; if that fails, finds next to nothing or cannot decode what it finds, also
/// by `pdf-extract`. The one that found more is believed.
pub(super) fn read(bytes: &[u8], watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    if !sniff::is_pdf(bytes) {
        return Err(ExtractError::NotPdf);
    }
    let first = guarded(|| by_unpdf(bytes, watch));
    match first {
        Ok(extracted) if is_poor(&extracted) => {
            let second = second_opinion(bytes, watch);
            Ok(second
                .filter(|second| letters(second) > letters(&extracted))
                .unwrap_or(extracted))
        }
        Ok(_) | Err(ExtractError::PasswordProtected | ExtractError::TooMuchText) => first,
        Err(_) => guarded(|| by_pdf_extract(bytes, watch)).or(first),
    }
}

/// A reader that panics has failed; the other one gets its turn.
fn guarded(
    reader: impl FnOnce() -> Result<Extracted, ExtractError>,
) -> Result<Extracted, ExtractError> {
    catch_unwind(AssertUnwindSafe(reader)).unwrap_or(Err(ExtractError::Crashed))
}

/// What the other reader finds in good time. The thread is left behind if it takes longer: it ends
/// with the process.
fn second_opinion(bytes: &[u8], watch: Watch<'_>) -> Option<Extracted> {
    let (bytes, watch) = (bytes.to_vec(), watch.aside());
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let found = guarded(|| by_pdf_extract(&bytes, watch)).ok();
            // Nobody may listen any more.
            sender.send(found).is_ok()
        })
        .ok()?;
    receiver.recv_timeout(SECOND_OPINION).ok()?
}

/// Whether a text is suspiciously short, or full of chars that stand for unknown ones.
fn is_poor(extracted: &Extracted) -> bool {
    let letters = letters(extracted);
    let pages = usize::try_from(extracted.page_count.unwrap_or(1)).unwrap_or(1);
    let unknown = extracted.text.matches('\u{fffd}').count();
    letters < LETTERS_OF_A_PAGE * pages.min(8) || unknown * 10 > letters
}

fn letters(extracted: &Extracted) -> usize {
    let chars = extracted.text.chars();
    chars.filter(|char| char.is_alphanumeric()).count()
}

fn by_unpdf(bytes: &[u8], watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    // One thread: the child has a limit of address space, which each further one would eat.
    let options = ParseOptions::new().lenient().sequential();
    let stream = PageStreamOptions::from(&options);
    let parser =
        PdfParser::from_bytes_with_options(bytes, options).map_err(|error| of_unpdf(&error))?;
    let mut assembly = Assembly::new(MediaType::Pdf, watch);
    let (mut done, mut total) = (0_u64, 0_u32);
    let ended = parser.for_each_page(stream, |event| {
        match event {
            ParseEvent::DocumentStart {
                metadata,
                page_count,
                ..
            } => {
                total = page_count;
                assembly.page_count(usize::try_from(page_count).unwrap_or_default());
                assembly.title(metadata.title.as_deref());
                assembly.author(metadata.author.as_deref());
            }
            ParseEvent::PageParsed(page) => {
                assembly.page(page.number, |assembly| push_page(assembly, &page));
                done += 1;
                assembly.at(Unit::Pages, done, Some(total.into()));
            }
            _ => {}
        }
        if assembly.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    ended.map_err(|error| of_unpdf(&error))?;
    if total == 0 {
        return Err(ExtractError::Damaged);
    }
    with_text(assembly)
}

fn of_unpdf(error: &unpdf::Error) -> ExtractError {
    match error.kind() {
        ErrorKind::Encrypted | ErrorKind::InvalidPassword => ExtractError::PasswordProtected,
        ErrorKind::UnknownFormat => ExtractError::NotPdf,
        _ => ExtractError::Damaged,
    }
}

fn push_page(assembly: &mut Assembly<'_>, page: &Page) {
    for block in &page.elements {
        if let Block::Table(table) = block {
            push_table(assembly, table);
            continue;
        }
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
}

fn push_table(assembly: &mut Assembly<'_>, table: &unpdf::Table) {
    let header = if table.header_rows > 0 {
        Header::Given
    } else {
        Header::Unknown
    };
    let mut rows = Table::new(header);
    for (row, columns) in table.rows.iter().zip(table.cell_columns()) {
        let cells = row.cells.iter().zip(columns);
        let cells = cells.map(|(cell, column)| Cell::untyped(column, &cell.plain_text()));
        rows.row(assembly, cells.collect());
    }
    rows.finish(assembly);
}

fn by_pdf_extract(bytes: &[u8], watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    let pages =
        pdf_extract::extract_text_from_mem_by_pages(bytes).map_err(|_| ExtractError::Damaged)?;
    let mut assembly = Assembly::new(MediaType::Pdf, watch);
    assembly.page_count(pages.len());
    for (number, text) in (1..).zip(&pages) {
        let text = text.trim();
        if !text.is_empty() {
            assembly.page(number, |assembly| assembly.push_block(text));
        }
    }
    with_text(assembly)
}

fn with_text(assembly: Assembly<'_>) -> Result<Extracted, ExtractError> {
    if assembly.text().chars().any(char::is_alphanumeric) {
        assembly.finish()
    } else {
        Err(ExtractError::NoText)
    }
}

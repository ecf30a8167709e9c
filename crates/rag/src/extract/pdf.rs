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
use crate::language;

/// Fewer letters and digits than this a page are too few to be all of a text.
const LETTERS_OF_A_PAGE: usize = 16;
/// What a second opinion on a text that is there may take.
const SECOND_OPINION: Duration = Duration::from_secs(20);
const STACK_BYTES: usize = 64 << 20;
/// Bytes of text that are worth handing over before the rest is read.
const PART_BYTES: usize = 16 << 10;

/// Reads a PDF by `unpdf`; if that fails, finds next to nothing, cannot decode what it finds or does
/// not reach all pages, also by `pdf-extract`. The one that found more is believed.
///
/// Whoever takes parts gets them while `unpdf` reads, once what it finds is worth believing.
pub(super) fn read(bytes: &[u8], watch: Watch<'_>) -> Result<Extracted, ExtractError> {
    if !sniff::is_pdf(bytes) {
        return Err(ExtractError::NotPdf);
    }
    let found = match guarded(|| by_unpdf(bytes, watch)) {
        Ok(first) if first.is_doubtful() => {
            let second = second_opinion(bytes, watch);
            let better = second.filter(|second| second.is_better_than(&first));
            better.map_or(first, |second| {
                watch.start_over();
                second
            })
        }
        Ok(first) => first,
        Err(error @ (ExtractError::PasswordProtected | ExtractError::TooMuchText)) => {
            return Err(error);
        }
        Err(error) => {
            let second = guarded(|| by_pdf_extract(bytes, watch)).map_err(|_| error)?;
            watch.start_over();
            second
        }
    };
    Ok(found.text)
}

/// What a reader found.
struct Found {
    /// The text, or what is left of it when parts were handed over.
    text: Extracted,
    seen: Seen,
    /// Whether the file speaks of more pages.
    misses_pages: bool,
}

/// What tells whether a text is to be believed.
#[derive(Clone, Copy, Default)]
struct Seen {
    letters: usize,
    /// Chars that stand for unknown ones.
    unknown: usize,
}

impl Seen {
    fn add(&mut self, text: &str) {
        for char in text.chars() {
            self.letters += usize::from(char.is_alphanumeric());
            self.unknown += usize::from(char == '\u{fffd}');
        }
    }

    /// Whether a text of so many pages is suspiciously short, or full of unknown chars.
    fn is_poor(self, pages: usize) -> bool {
        self.letters < LETTERS_OF_A_PAGE * pages.min(8) || self.unknown * 10 > self.letters
    }
}

impl Found {
    fn pages(&self) -> u32 {
        self.text.page_count.unwrap_or(1)
    }

    fn is_poor(&self) -> bool {
        self.seen
            .is_poor(usize::try_from(self.pages()).unwrap_or(1))
    }

    /// Whether somebody else may find more.
    fn is_doubtful(&self) -> bool {
        self.misses_pages || self.is_poor()
    }

    /// Whether this is to be believed instead of what the first reader found. A few letters more are
    /// no reason to lose the headings of a good text; pages are.
    fn is_better_than(&self, first: &Self) -> bool {
        self.seen.letters > first.seen.letters && (first.is_poor() || self.pages() > first.pages())
    }
}

/// A reader that panics has failed; the other one gets its turn.
fn guarded(reader: impl FnOnce() -> Result<Found, ExtractError>) -> Result<Found, ExtractError> {
    catch_unwind(AssertUnwindSafe(reader)).unwrap_or(Err(ExtractError::Crashed))
}

/// What the other reader finds in good time. The thread is left behind if it takes longer: it ends
/// with the process.
fn second_opinion(bytes: &[u8], watch: Watch<'_>) -> Option<Found> {
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

fn by_unpdf(bytes: &[u8], watch: Watch<'_>) -> Result<Found, ExtractError> {
    // One thread: the child has a limit of address space, which each further one would eat.
    let options = ParseOptions::new().lenient().sequential();
    let stream = PageStreamOptions::from(&options);
    let parser =
        PdfParser::from_bytes_with_options(bytes, options).map_err(|error| of_unpdf(&error))?;
    let mut pages = Pages::new(watch);
    let mut total = 0_u32;
    let ended = parser.for_each_page(stream, |event| {
        match event {
            ParseEvent::DocumentStart {
                metadata,
                page_count,
                ..
            } => {
                total = page_count;
                pages.total = usize::try_from(page_count).unwrap_or_default();
                pages.assembly.page_count(pages.total);
                pages.assembly.title(metadata.title.as_deref());
                pages.assembly.author(metadata.author.as_deref());
            }
            ParseEvent::PageParsed(page) => {
                pages.add(page.number, |assembly| push_page(assembly, &page));
            }
            _ => {}
        }
        if pages.assembly.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let quality = ended.map_err(|error| of_unpdf(&error))?;
    if total == 0 {
        return Err(ExtractError::Damaged);
    }
    Ok(Found {
        misses_pages: quality.pages_incomplete,
        ..pages.finish()?
    })
}

/// The text in the making, handed over in parts to whoever takes them.
struct Pages<'a> {
    watch: Watch<'a>,
    assembly: Assembly<'a>,
    seen: Seen,
    done: usize,
    total: usize,
    /// Up to here the text of `assembly` is seen, in bytes.
    seen_bytes: usize,
    has_parts: bool,
}

impl<'a> Pages<'a> {
    fn new(watch: Watch<'a>) -> Self {
        Self {
            watch,
            assembly: Assembly::new(MediaType::Pdf, watch),
            seen: Seen::default(),
            done: 0,
            total: 0,
            seen_bytes: 0,
            has_parts: false,
        }
    }

    fn add(&mut self, number: u32, fill: impl FnOnce(&mut Assembly<'a>)) {
        self.assembly.page(number, fill);
        let text = self.assembly.text();
        self.seen
            .add(text.get(self.seen_bytes..).unwrap_or_default());
        self.seen_bytes = text.len();
        self.done += 1;
        let total = u64::try_from(self.total).ok();
        self.assembly.at(Unit::Pages, self.done as u64, total);
        if self.watch.takes_parts() && self.is_part() {
            self.has_parts = true;
            self.seen_bytes = 0;
            self.watch.part(self.assembly.take_part());
        }
    }

    /// Whether what stands there may go: enough to be worth it, and to tell the language of the
    /// whole by the first part; and likely to be believed.
    fn is_part(&self) -> bool {
        let text = self.assembly.text();
        let is_enough = if self.has_parts {
            text.len() >= PART_BYTES
        } else {
            text.len() >= language::SAMPLE_CHARS
                && text.chars().nth(language::SAMPLE_CHARS - 1).is_some()
        };
        is_enough && !self.seen.is_poor(self.total)
    }

    fn finish(self) -> Result<Found, ExtractError> {
        if self.seen.letters == 0 {
            return Err(ExtractError::NoText);
        }
        Ok(Found {
            text: self.assembly.finish()?,
            seen: self.seen,
            misses_pages: false,
        })
    }
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

fn by_pdf_extract(bytes: &[u8], watch: Watch<'_>) -> Result<Found, ExtractError> {
    let texts =
        pdf_extract::extract_text_from_mem_by_pages(bytes).map_err(|_| ExtractError::Damaged)?;
    let mut pages = Pages::new(watch.aside());
    pages.total = texts.len();
    pages.assembly.page_count(texts.len());
    for (number, text) in (1..).zip(&texts) {
        let text = text.trim();
        if !text.is_empty() {
            pages.add(number, |assembly| assembly.push_block(text));
        }
    }
    pages.finish()
}

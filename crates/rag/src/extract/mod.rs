//! Reads a file into text that knows its pages and headings.
//!
//! Files are hostile: [`Reading`] reads and cuts them in a child process with limits, whose inside
//! is [`child::main`]. A format is one file or folder of this folder, one arm of [`read_watched`]
//! and one [`MediaType`].

mod archive;
mod assembly;
pub mod child;
mod csv;
mod docx;
mod encoding;
mod error;
mod frame;
mod html;
mod markdown;
mod media_type;
mod ods;
mod ooxml;
mod parent;
mod pdf;
mod pptx;
mod progress;
mod sniff;
mod table;
mod teller;
mod workbook;
mod xml;

use serde::{Deserialize, Serialize};

pub use error::ExtractError;
pub use frame::Facts;
pub use media_type::MediaType;
pub use parent::{Event, Limits, Reading, Request};
pub use progress::{Progress, Unit};
pub use sniff::{SNIFFED_BYTES, Unsupported, sniff};

use assembly::Assembly;
use progress::Watch;

/// What a file says, and where. Positions are counted in chars (Unicode scalar values) of `text`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// What the file was read as, which is not always what it is called.
    pub media_type: MediaType,
    /// The title that the file gives itself.
    pub title: Option<String>,
    /// The author that the file names.
    pub author: Option<String>,
    /// How many pages or slides it has; `None` for formats without.
    pub page_count: Option<u32>,
    /// All of its text: line ends are `\n`, no control characters but tabs.
    pub text: String,
    /// The pages that hold text, in order and without overlap; empty for formats without pages.
    pub pages: Vec<PageSpan>,
    /// The headings in order; those of level 1 of a workbook are its sheets.
    pub headings: Vec<HeadingSpan>,
}

/// The part of the text that stands on one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSpan {
    /// The page's number, from 1.
    pub page: u32,
    /// Position of its first char.
    pub start: usize,
    /// Position after its last char.
    pub end: usize,
}

/// One heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadingSpan {
    /// Its rank: 1 for the highest.
    pub level: u8,
    /// Its words, without the format's markup.
    pub text: String,
    /// Position of its first char, markup included.
    pub start: usize,
}

/// Reads `bytes` as `media_type`, in this very process.
///
/// May panic, loop or take any amount of memory on a hostile file: call it through [`Reading`].
///
/// # Errors
/// What the file is at fault for: all of [`ExtractError`] but [`ExtractError::TooSlow`],
/// [`ExtractError::TooMuchMemory`] and [`ExtractError::Unavailable`].
pub fn read(media_type: MediaType, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    read_watched(media_type, bytes, Watch::unseen())
}

fn read_watched(
    media_type: MediaType,
    bytes: &[u8],
    watch: Watch<'_>,
) -> Result<Extracted, ExtractError> {
    let extracted = match media_type {
        MediaType::Text => {
            let mut assembly = Assembly::new(media_type, watch);
            assembly.push(&encoding::decode(bytes)?);
            assembly.finish()?
        }
        MediaType::Markdown => markdown::read(&encoding::decode(bytes)?, watch)?,
        MediaType::Html => html::read(&encoding::decode_html(bytes)?, watch)?,
        MediaType::Csv => csv::read(&encoding::decode(bytes)?, watch)?,
        // Of which the last part may be empty.
        MediaType::Pdf => return pdf::read(bytes, watch),
        MediaType::Docx | MediaType::Pptx | MediaType::Xlsx | MediaType::Xls | MediaType::Ods => {
            archive::read(media_type, bytes, watch)?
        }
    };
    if extracted.text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    Ok(extracted)
}

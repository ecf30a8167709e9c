//! Reads a file into text that knows its pages and headings.
//!
//! Files are hostile: [`run`] reads them in a child process with limits, whose inside is
//! [`child::main`]. A format is one file of this folder, one arm of [`read`] and one [`MediaType`].

mod assembly;
pub mod child;
mod encoding;
mod error;
mod markdown;
mod media_type;
mod parent;
mod pdf;

use serde::{Deserialize, Serialize};

pub use error::ExtractError;
pub use media_type::{MediaType, Unsupported, sniff};
pub use parent::{Limits, run};

use assembly::Assembly;

/// What a file says, and where. Positions are counted in chars (Unicode scalar values) of `text`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// What the file was read as.
    pub media_type: MediaType,
    /// The title that the file gives itself.
    pub title: Option<String>,
    /// The author that the file names.
    pub author: Option<String>,
    /// How many pages it has; `None` for formats without pages.
    pub page_count: Option<u32>,
    /// All of its text: line ends are `\n`, no control characters but tabs.
    pub text: String,
    /// The pages that hold text, in order and without overlap; empty for formats without pages.
    pub pages: Vec<PageSpan>,
    /// The headings in order.
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
/// May panic, loop or take any amount of memory on a hostile file: call it through [`run`].
///
/// # Errors
/// What the file is at fault for: [`ExtractError::PasswordProtected`], [`ExtractError::NotPdf`],
/// [`ExtractError::NoText`], [`ExtractError::NotText`], [`ExtractError::Empty`],
/// [`ExtractError::Damaged`].
pub fn read(media_type: MediaType, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    let extracted = match media_type {
        MediaType::Text => {
            let mut assembly = Assembly::new(media_type);
            assembly.push(&encoding::decode(bytes)?);
            assembly.finish()
        }
        MediaType::Markdown => markdown::read(&encoding::decode(bytes)?),
        MediaType::Pdf => pdf::read(bytes)?,
    };
    if extracted.text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    Ok(extracted)
}

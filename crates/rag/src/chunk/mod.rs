//! Cuts a text into passages that know their place.

mod cuts;
#[cfg(feature = "local-embeddings")]
mod model_tokenizer;
mod parts;
mod sections;
mod tokens;

use std::ops::Range;

use domain::ChunkingSettings;
use serde::{Deserialize, Serialize};

use crate::extract::Extracted;

#[cfg(feature = "local-embeddings")]
pub use model_tokenizer::ModelTokenizer;
pub use parts::Parts;
pub use tokens::{Estimate, Step, TokenCounter, Tokenizer};

/// A passage: `text` is exactly what stands between the chars `char_start` and `char_end` of the
/// extracted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its place in the document, from 0.
    pub ordinal: usize,
    /// Its words, without white space around them; never empty.
    pub text: String,
    /// Its tokens, at least 1.
    pub token_count: usize,
    /// Position of its first char.
    pub char_start: usize,
    /// Position after its last char.
    pub char_end: usize,
    /// The page or slide it starts on, from 1, where the document has such.
    pub page: Option<u32>,
    /// The headings it starts under, from the highest: `Delivery > Abroad > Customs`; the first one
    /// of a workbook is the sheet.
    pub heading: Option<String>,
}

/// Why a text cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// It holds nothing but white space.
    #[error("The file holds no text.")]
    Empty,
    /// Passages would not move on.
    #[error("the overlap has to be smaller than the passage")]
    OverlapTooLarge,
}

/// Cuts `extracted` into passages of at most `settings.max_tokens` as `counter` counts them, in the
/// order of the text. Together they hold every char that is not white space.
///
/// Sheets always start a passage. Beyond that it depends on the method:
///
/// - fixed: a cut falls at the last end of a word that fits.
/// - paragraph: pages and headings start a passage, unless what stands before a heading is less
///   than a sixteenth of one. A cut falls at the last end of a paragraph that fits; a paragraph
///   that is too long by itself is cut as by the recursive method.
/// - recursive: pages start a passage; so do headings, unless what stands before is less than an
///   eighth of one, or, below level 2, less than a quarter. Inside, cuts fall on the highest
///   boundary in the second half of what fits: empty lines, lines, sentences, words, chars.
///
/// Only passages of the same section overlap. A single char of more tokens than allowed is a passage
/// all the same.
///
/// # Errors
/// [`ChunkError::Empty`], [`ChunkError::OverlapTooLarge`].
pub fn chunks<'a>(
    extracted: &'a Extracted,
    settings: &ChunkingSettings,
    counter: &'a dyn TokenCounter,
) -> Result<impl Iterator<Item = Chunk> + 'a, ChunkError> {
    let size = cuts::Size::of(settings).ok_or(ChunkError::OverlapTooLarge)?;
    let text = extracted.text.as_str();
    if text.trim().is_empty() {
        return Err(ChunkError::Empty);
    }
    let places = sections::Places::of(extracted);
    let mut position = Position::default();
    let passages = sections::pack(extracted, size)
        .into_iter()
        .flat_map(move |section| cuts::passages(text, section, size, counter));
    Ok(passages.enumerate().map(move |(ordinal, passage)| {
        let part = &text[passage.range.clone()];
        let char_start = position.chars_before(text, passage.range.start);
        Chunk {
            ordinal,
            text: part.to_owned(),
            token_count: passage.tokens.max(1),
            char_start,
            char_end: char_start + part.chars().count(),
            page: places.page(char_start),
            heading: places.heading(char_start),
        }
    }))
}

/// All of [`chunks`] at once, with tokens estimated.
///
/// # Errors
/// Those of [`chunks`].
pub fn split(extracted: &Extracted, settings: &ChunkingSettings) -> Result<Vec<Chunk>, ChunkError> {
    Ok(chunks(extracted, settings, &Estimate)?.collect())
}

/// Turns byte offsets that mostly grow into char offsets, walking each part of the text once.
#[derive(Default)]
struct Position {
    byte: usize,
    char: usize,
}

impl Position {
    fn chars_before(&mut self, text: &str, byte: usize) -> usize {
        let walk = |range: Range<usize>| text.get(range).map_or(0, |part| part.chars().count());
        if byte >= self.byte {
            self.char += walk(self.byte..byte);
        } else {
            self.char -= walk(byte..self.byte);
        }
        self.byte = byte;
        self.char
    }
}

//! Cuts a text into passages that know their place.

mod cuts;
mod sections;
mod tokens;

use std::ops::Range;

use crate::extract::Extracted;

pub use tokens::estimate as estimate_tokens;

/// How large passages are, in tokens as [`estimate_tokens`] counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    /// The most tokens of a passage. Default 512.
    pub max_tokens: usize,
    /// How many tokens at most a passage shares with the one before. Default 64.
    pub overlap_tokens: usize,
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self {
            max_tokens: 512,
            overlap_tokens: 64,
        }
    }
}

/// A passage: `text` is exactly what stands between the chars `char_start` and `char_end` of the
/// extracted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the document, from 0.
    pub ordinal: usize,
    /// Its words, without white space around them; never empty.
    pub text: String,
    /// Its tokens, estimated; at least 1.
    pub token_count: usize,
    /// Position of its first char.
    pub char_start: usize,
    /// Position after its last char.
    pub char_end: usize,
    /// The page it stands on, from 1, where the document has pages.
    pub page: Option<u32>,
    /// The headings it stands under, from the highest: `Delivery > Abroad > Customs`.
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

/// Cuts `extracted` into passages of at most [`ChunkSize::max_tokens`], in the order of the text.
///
/// A page always starts a passage, so that each stands on one page. A heading does, unless what
/// stands before it is less than an eighth of one, or, below level 2, less than a quarter. Inside,
/// cuts fall on the highest boundary that fits: empty lines, lines, sentences, words, chars. Only
/// passages of the same section overlap. Together they hold every char that is not white space.
///
/// # Errors
/// [`ChunkError::Empty`], [`ChunkError::OverlapTooLarge`].
pub fn split(extracted: &Extracted, size: ChunkSize) -> Result<Vec<Chunk>, ChunkError> {
    if size.overlap_tokens >= size.max_tokens {
        return Err(ChunkError::OverlapTooLarge);
    }
    let text = extracted.text.as_str();
    let places = sections::Places::of(extracted);
    let mut chunks = Vec::new();
    let mut position = Position::default();
    for section in sections::pack(extracted, size.max_tokens) {
        for range in cuts::ranges(text, section, size) {
            let part = &text[range.clone()];
            let char_start = position.chars_before(text, range.start);
            chunks.push(Chunk {
                ordinal: chunks.len(),
                text: part.to_owned(),
                token_count: tokens::estimate(part),
                char_start,
                char_end: char_start + part.chars().count(),
                page: places.page(char_start),
                heading: places.heading(char_start),
            });
        }
    }
    if chunks.is_empty() {
        return Err(ChunkError::Empty);
    }
    Ok(chunks)
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

use domain::{ChunkMethod, ChunkingSettings};

use super::{Chunk, ChunkError, TokenCounter, chunks};
use crate::extract::{Extracted, HeadingSpan};

/// Cuts a text that comes part by part while it is read. The passages are those of [`chunks`] on the
/// whole text, as long as each part but the first begins where a page does and
/// [`Parts::can_cut`] the way it is asked to.
pub struct Parts<'c> {
    settings: ChunkingSettings,
    counter: &'c dyn TokenCounter,
    /// Chars of the parts so far.
    chars: usize,
    /// Passages of the parts so far.
    passages: usize,
    /// The headings that the next part begins under, from the highest.
    open: Vec<HeadingSpan>,
}

impl<'c> Parts<'c> {
    /// Before the first part.
    pub fn new(settings: ChunkingSettings, counter: &'c dyn TokenCounter) -> Self {
        Self {
            settings,
            counter,
            chars: 0,
            passages: 0,
            open: Vec::new(),
        }
    }

    /// Whether a text may be cut page by page: not by a method that passes over pages.
    pub fn can_cut(settings: &ChunkingSettings) -> bool {
        settings.method != ChunkMethod::Fixed
    }

    /// The passages of the next part, whose positions count from its own start. A part of white
    /// space alone has none.
    ///
    /// # Errors
    /// [`ChunkError::OverlapTooLarge`].
    pub fn cut(&mut self, mut part: Extracted) -> Result<Vec<Chunk>, ChunkError> {
        let (before, length) = (self.chars, part.text.chars().count());
        self.chars += length;
        let begun_under = std::mem::take(&mut self.open);
        part.headings.splice(0..0, begun_under);
        self.open = still_open(&part.headings);
        let found = match chunks(&part, &self.settings, self.counter) {
            Err(ChunkError::Empty) => return Ok(Vec::new()),
            found => found?,
        };
        let first = self.passages;
        let found: Vec<Chunk> = found
            .map(|chunk| Chunk {
                ordinal: chunk.ordinal + first,
                char_start: chunk.char_start + before,
                char_end: chunk.char_end + before,
                ..chunk
            })
            .collect();
        self.passages += found.len();
        Ok(found)
    }
}

/// The headings that are open at the end of a part, as if they stood at the start of the next one.
fn still_open(headings: &[HeadingSpan]) -> Vec<HeadingSpan> {
    let mut open: Vec<&HeadingSpan> = Vec::new();
    for heading in headings {
        while open.last().is_some_and(|last| last.level >= heading.level) {
            open.pop();
        }
        open.push(heading);
    }
    open.into_iter()
        .map(|heading| HeadingSpan {
            start: 0,
            ..heading.clone()
        })
        .collect()
}

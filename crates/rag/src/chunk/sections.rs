use std::ops::Range;

use super::tokens;
use crate::extract::{Extracted, PageSpan};

/// Byte ranges that together are the whole text: each starts at a heading and reaches to the next
/// one, those too small to stand alone joined with what follows.
pub(super) fn pack(extracted: &Extracted, max_tokens: usize) -> Vec<Range<usize>> {
    let text = extracted.text.as_str();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for end in heading_bytes(extracted).chain([text.len()]) {
        let large = tokens::estimate(&text[start..end]) * 4 >= max_tokens;
        if end == text.len() || large {
            ranges.push(start..end);
            start = end;
        }
    }
    ranges
}

/// The byte offsets of the headings after the start of the text.
fn heading_bytes(extracted: &Extracted) -> impl Iterator<Item = usize> {
    let mut chars = extracted.text.char_indices().enumerate();
    let headings = extracted
        .headings
        .iter()
        .filter(|heading| heading.start > 0);
    headings.filter_map(move |heading| {
        chars
            .find(|(position, _)| *position == heading.start)
            .map(|(_, (byte, _))| byte)
    })
}

/// Which page and which headings a char stands under.
pub(super) struct Places<'a> {
    pages: &'a [PageSpan],
    /// Where a heading starts, and it with those above it.
    paths: Vec<(usize, String)>,
}

impl<'a> Places<'a> {
    pub(super) fn of(extracted: &'a Extracted) -> Self {
        let mut open: Vec<(u8, &str)> = Vec::new();
        let mut paths = Vec::with_capacity(extracted.headings.len());
        for heading in &extracted.headings {
            while open
                .last()
                .is_some_and(|(level, _)| *level >= heading.level)
            {
                open.pop();
            }
            open.push((heading.level, &heading.text));
            let path: Vec<&str> = open.iter().map(|(_, text)| *text).collect();
            paths.push((heading.start, path.join(" > ")));
        }
        Self {
            pages: &extracted.pages,
            paths,
        }
    }

    pub(super) fn page(&self, position: usize) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.end <= position);
        self.pages.get(after).map(|page| page.page)
    }

    pub(super) fn heading(&self, position: usize) -> Option<String> {
        let after = self.paths.partition_point(|(start, _)| *start <= position);
        let (_, path) = self.paths.get(after.checked_sub(1)?)?;
        Some(path.clone())
    }
}

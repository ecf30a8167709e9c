use std::collections::BTreeMap;
use std::ops::Range;

use domain::ChunkMethod;

use super::cuts::Size;
use super::tokens::{Estimate, TokenCounter as _};
use crate::extract::{Extracted, PageSpan};

/// What may start a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    /// A heading of level 3 or below.
    LowHeading,
    /// A heading of level 1 or 2.
    HighHeading,
    /// A page.
    Page,
    /// A sheet.
    Sheet,
}

impl Start {
    /// Whether it starts a section where this many tokens stand before it.
    const fn is_due(self, tokens: usize, size: Size) -> bool {
        match (size.method, self) {
            (_, Self::Sheet) => true,
            (ChunkMethod::Fixed, _) => false,
            (_, Self::Page) => true,
            (ChunkMethod::Paragraph, _) => tokens * 16 >= size.max_tokens,
            // 64 tokens of 512, and 128.
            (ChunkMethod::Recursive, Self::HighHeading) => tokens * 8 >= size.max_tokens,
            (ChunkMethod::Recursive, Self::LowHeading) => tokens * 4 >= size.max_tokens,
        }
    }
}

/// Byte ranges that together are the whole text: each starts at a page or a heading and reaches to
/// the next one, those too small to stand alone joined with what follows on their page.
pub(super) fn pack(extracted: &Extracted, size: Size) -> Vec<Range<usize>> {
    let text = extracted.text.as_str();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (byte, kind) in start_bytes(extracted) {
        if kind.is_due(Estimate.count(&text[start..byte]), size) {
            ranges.push(start..byte);
            start = byte;
        }
    }
    ranges.push(start..text.len());
    ranges
}

/// The places after the start of the text where a section may start, in bytes, in order.
fn start_bytes(extracted: &Extracted) -> impl Iterator<Item = (usize, Start)> {
    let mut starts: BTreeMap<usize, Start> = BTreeMap::new();
    let pages = extracted.pages.iter().map(|page| (page.start, Start::Page));
    let headings = extracted.headings.iter().map(|heading| {
        let kind = match heading.level {
            1 if extracted.media_type.is_workbook() => Start::Sheet,
            1 | 2 => Start::HighHeading,
            _ => Start::LowHeading,
        };
        (heading.start, kind)
    });
    for (position, kind) in headings.chain(pages).filter(|(position, _)| *position > 0) {
        let strongest = starts.entry(position).or_insert(kind);
        *strongest = kind.max(*strongest);
    }
    let mut chars = extracted.text.char_indices().enumerate();
    starts.into_iter().filter_map(move |(position, kind)| {
        chars
            .find(|(at, _)| *at == position)
            .map(|(_, (byte, _))| (byte, kind))
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

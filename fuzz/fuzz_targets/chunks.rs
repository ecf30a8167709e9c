//! Passages: each is exactly what stands at its place, fits its size, and together they hold every
//! char that is not white space; cut page by page they are the same.
#![no_main]

use arbitrary::Arbitrary;
use domain::{ChunkMethod, ChunkingSettings};
use fuzz::Text;
use libfuzzer_sys::fuzz_target;
use rag::chunk::{Chunk, ChunkError, Parts, TokenCounter, Tokenizer, chunks};
use rag::extract::{Extracted, HeadingSpan, MediaType, PageSpan};

#[derive(Arbitrary, Debug)]
struct Input {
    text: Text,
    breaks: Vec<u16>,
    headings: Vec<(u16, u8)>,
    max_tokens: u8,
    overlap_tokens: u8,
    method: u8,
    cl100k: bool,
    workbook: bool,
}

fuzz_target!(|input: Input| {
    let extracted = extracted(&input);
    let methods = [
        ChunkMethod::Fixed,
        ChunkMethod::Paragraph,
        ChunkMethod::Recursive,
    ];
    let settings = ChunkingSettings {
        method: methods[usize::from(input.method) % 3],
        max_tokens: u32::from(input.max_tokens),
        overlap_tokens: u32::from(input.overlap_tokens),
    };
    let tokenizer = if input.cl100k {
        Tokenizer::Cl100k
    } else {
        Tokenizer::Estimate
    };
    let counter = tokenizer.counter();
    let found: Vec<Chunk> = match chunks(&extracted, &settings, counter) {
        Ok(found) => found.collect(),
        Err(ChunkError::Empty) => return assert!(extracted.text.trim().is_empty()),
        Err(ChunkError::OverlapTooLarge) => {
            return assert!(settings.overlap_tokens >= settings.max_tokens);
        }
    };
    check(&extracted, &found, &settings, counter);
    if Parts::can_cut(&settings) && extracted.pages.len() > 1 {
        assert_eq!(in_parts(&extracted, &settings, counter), found);
    }
});

/// A text with pages that follow each other and headings in order, as readers make them.
fn extracted(input: &Input) -> Extracted {
    let text = input.text.build(6000).replace('\0', "");
    let length = text.chars().count();
    let within = |at: u16| usize::from(at) % length.max(1);
    let mut breaks: Vec<usize> = input.breaks.iter().take(8).map(|at| within(*at)).collect();
    breaks.retain(|at| *at > 0);
    breaks.push(length);
    breaks.sort_unstable();
    breaks.dedup();
    let mut pages: Vec<PageSpan> = Vec::new();
    for (page, end) in (1..).zip(breaks) {
        let start = pages.last().map_or(0, |page| page.end);
        pages.push(PageSpan { page, start, end });
    }
    let mut headings: Vec<HeadingSpan> = input
        .headings
        .iter()
        .take(8)
        .map(|(at, level)| HeadingSpan {
            level: level % 6 + 1,
            text: format!("H{at}"),
            start: within(*at),
        })
        .collect();
    headings.sort_by_key(|heading| heading.start);
    Extracted {
        media_type: if input.workbook {
            MediaType::Xlsx
        } else {
            MediaType::Text
        },
        title: None,
        author: None,
        page_count: None,
        text,
        pages,
        headings,
    }
}

fn check(
    extracted: &Extracted,
    found: &[Chunk],
    settings: &ChunkingSettings,
    counter: &dyn TokenCounter,
) {
    let chars: Vec<char> = extracted.text.chars().collect();
    let mut covered = vec![false; chars.len()];
    let mut last = 0;
    for (at, chunk) in found.iter().enumerate() {
        assert_eq!(chunk.ordinal, at);
        assert!(chunk.char_start >= last, "{chunk:?} goes back");
        last = chunk.char_start;
        let place: String = chars[chunk.char_start..chunk.char_end].iter().collect();
        assert_eq!(chunk.text, place);
        assert_eq!(chunk.text.trim(), chunk.text);
        assert!(!chunk.text.is_empty());
        assert_eq!(chunk.token_count, counter.count(&chunk.text).max(1));
        let fits = chunk.token_count <= settings.max_tokens as usize;
        assert!(fits || chunk.text.chars().count() == 1, "{chunk:?}");
        covered[chunk.char_start..chunk.char_end].fill(true);
        let page = extracted
            .pages
            .iter()
            .find(|page| page.end > chunk.char_start);
        assert_eq!(chunk.page, page.map(|page| page.page), "{chunk:?}");
    }
    for (at, char) in chars.iter().enumerate() {
        assert!(
            covered[at] || char.is_whitespace(),
            "char {at} {char:?} is in no chunk"
        );
    }
}

/// The same text, handed over page by page.
fn in_parts(
    extracted: &Extracted,
    settings: &ChunkingSettings,
    counter: &dyn TokenCounter,
) -> Vec<Chunk> {
    let chars: Vec<char> = extracted.text.chars().collect();
    let mut parts = Parts::new(*settings, counter);
    let mut found = Vec::new();
    for page in &extracted.pages {
        let is_here = |heading: &&HeadingSpan| (page.start..page.end).contains(&heading.start);
        let headings = extracted.headings.iter().filter(is_here);
        let part = Extracted {
            text: chars[page.start..page.end].iter().collect(),
            pages: vec![PageSpan {
                page: page.page,
                start: 0,
                end: page.end - page.start,
            }],
            headings: headings
                .map(|heading| HeadingSpan {
                    start: heading.start - page.start,
                    ..heading.clone()
                })
                .collect(),
            ..extracted.clone()
        };
        found.extend(parts.cut(part).expect("the overlap is small"));
    }
    found
}

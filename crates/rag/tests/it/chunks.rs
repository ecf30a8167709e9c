use proptest::prelude::*;
use rag::chunk::{Chunk, ChunkError, ChunkSize, estimate_tokens, split};
use rag::extract::{Extracted, HeadingSpan, MediaType, PageSpan, read};

use crate::pdf_writer::Pdf;

fn plain(text: &str) -> Extracted {
    Extracted {
        media_type: MediaType::Text,
        title: None,
        author: None,
        page_count: None,
        text: text.to_owned(),
        pages: Vec::new(),
        headings: Vec::new(),
    }
}

/// Chunks say where they stand, stay in their size, and leave no words out.
fn check(extracted: &Extracted, chunks: &[Chunk], size: ChunkSize) {
    let chars: Vec<char> = extracted.text.chars().collect();
    let mut covered = vec![false; chars.len()];
    for (at, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal, at);
        let place: String = chars[chunk.char_start..chunk.char_end].iter().collect();
        assert_eq!(chunk.text, place);
        assert_eq!(chunk.token_count, estimate_tokens(&chunk.text));
        assert!(
            (1..=size.max_tokens).contains(&chunk.token_count),
            "{}",
            chunk.token_count
        );
        covered[chunk.char_start..chunk.char_end].fill(true);
        for page in &extracted.pages {
            let crosses = chunk.char_start < page.start && page.start < chunk.char_end;
            assert!(!crosses, "{chunk:?} crosses the start of {page:?}");
            let on_page = page.start <= chunk.char_start && chunk.char_end <= page.end;
            assert!(!on_page || chunk.page == Some(page.page), "{chunk:?}");
        }
    }
    for (at, char) in chars.iter().enumerate() {
        assert!(
            covered[at] || char.is_whitespace(),
            "char {at} {char:?} is in no chunk"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn chunks_rebuild_any_text(
        parts in prop::collection::vec("[a-zäßé ]{0,60}|[。、営業時間返品]{0,40}|\\PC{0,30}|[\n .!?]{0,4}", 0..40),
        headings in prop::collection::btree_map(0usize..1000, 1u8..5, 0..6),
        breaks in prop::collection::btree_set(1usize..1000, 0..6),
        max_tokens in 8usize..60,
    ) {
        let mut extracted = plain(&parts.concat());
        let length = extracted.text.chars().count();
        extracted.headings = headings
            .into_iter()
            .filter(|(start, _)| *start < length)
            .map(|(start, level)| HeadingSpan { level, text: format!("H{start}"), start })
            .collect();
        let ends = breaks.into_iter().filter(|end| *end < length).chain([length]);
        for (page, end) in (1..).zip(ends) {
            let start = extracted.pages.last().map_or(0, |page| page.end);
            extracted.pages.push(PageSpan { page, start, end });
        }
        let size = ChunkSize { max_tokens, overlap_tokens: max_tokens / 8 };
        match split(&extracted, size) {
            Ok(chunks) => check(&extracted, &chunks, size),
            Err(error) => {
                prop_assert_eq!(error, ChunkError::Empty);
                prop_assert!(extracted.text.trim().is_empty());
            }
        }
    }
}

#[test]
fn a_paragraph_of_a_megabyte_is_cut_in_good_time() {
    for text in [
        "The parcel arrives in two days and the driver rings twice. ".repeat(20_000),
        "営業時間は午前九時から午後六時までです。".repeat(20_000),
        "a".repeat(1_000_000),
        "a.".repeat(250_000),
        "no marks at all ".repeat(60_000),
        format!("a{}b", "\n".repeat(500_000)),
        "ร้านเปิดทุกวันเวลาเก้าโมงเช้า".repeat(4_000),
    ] {
        let extracted = plain(&text);
        let started = std::time::Instant::now();
        let chunks = split(&extracted, ChunkSize::default()).unwrap();
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
        println!(
            "{} chars, {} chunks, {:?}",
            text.chars().count(),
            chunks.len(),
            started.elapsed()
        );
        check(&extracted, &chunks, ChunkSize::default());
    }
}

#[test]
fn neighbours_in_a_section_overlap() {
    let sentences: Vec<String> = (0..400)
        .map(|at| format!("This is sentence number {at}."))
        .collect();
    let chunks = split(&plain(&sentences.join(" ")), ChunkSize::default()).unwrap();
    assert!(chunks.len() > 2);
    for pair in chunks.windows(2) {
        assert!(pair[1].char_start < pair[0].char_end);
    }
}

#[test]
fn chunks_know_their_headings() {
    let body = "Some words that say something about it. ".repeat(30);
    let source =
        format!("# Shop\n\n## Delivery\n\n{body}\n\n### Abroad\n\n{body}\n\n## Returns\n\n{body}");
    let extracted = read(MediaType::Markdown, source.as_bytes()).unwrap();
    let chunks = split(&extracted, ChunkSize::default()).unwrap();
    let headings: Vec<&str> = chunks
        .iter()
        .filter_map(|chunk| chunk.heading.as_deref())
        .collect();
    assert_eq!(
        headings,
        ["Shop", "Shop > Delivery > Abroad", "Shop > Returns"]
    );
    assert!(chunks[1].text.starts_with("### Abroad"));
}

#[test]
fn a_high_heading_starts_a_chunk_sooner_than_a_low_one() {
    let body = |words: usize| "word ".repeat(words);
    for (level, words, chunks) in [
        ("##", 80, 2),
        ("##", 50, 1),
        ("###", 80, 1),
        ("###", 140, 2),
    ] {
        let source = format!("{}\n\n{level} Returns\n\n{}", body(words), body(20));
        let extracted = read(MediaType::Markdown, source.as_bytes()).unwrap();
        let found = split(&extracted, ChunkSize::default()).unwrap();
        assert_eq!(found.len(), chunks, "{level} after {words} words");
    }
}

#[test]
fn a_short_page_is_a_chunk_of_its_own() {
    let pages: [&[&str]; 3] = [
        &["Welcome to the shop."],
        &["Parcels leave within two days."],
        &["Write to us at any time."],
    ];
    let pdf = Pdf::with_pages(&pages).bytes();
    let extracted = read(MediaType::Pdf, &pdf).unwrap();
    let chunks = split(&extracted, ChunkSize::default()).unwrap();
    let found: Vec<_> = chunks
        .iter()
        .map(|chunk| (chunk.page, chunk.text.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Some(1), pages[0][0]),
            (Some(2), pages[1][0]),
            (Some(3), pages[2][0])
        ]
    );
}

#[test]
fn chunks_know_the_page_they_stand_on() {
    let mut extracted = plain(&format!(
        "{}\n\n{}",
        "one ".repeat(600).trim(),
        "two ".repeat(600).trim()
    ));
    extracted.pages = vec![
        PageSpan {
            page: 1,
            start: 0,
            end: 2399,
        },
        PageSpan {
            page: 4,
            start: 2401,
            end: 4800,
        },
    ];
    let chunks = split(&extracted, ChunkSize::default()).unwrap();
    assert_eq!(chunks.first().unwrap().page, Some(1));
    assert_eq!(chunks.last().unwrap().page, Some(4));
}

#[test]
fn nothing_cannot_be_cut_and_the_overlap_has_its_limit() {
    assert_eq!(
        split(&plain(" \n "), ChunkSize::default()),
        Err(ChunkError::Empty)
    );
    let size = ChunkSize {
        max_tokens: 10,
        overlap_tokens: 10,
    };
    assert_eq!(
        split(&plain("words"), size),
        Err(ChunkError::OverlapTooLarge)
    );
}

use domain::{ChunkMethod, ChunkingSettings};
use proptest::prelude::*;
use rag::chunk::{Chunk, ChunkError, Parts, Tokenizer, chunks, split};
use rag::extract::{Extracted, HeadingSpan, MediaType, PageSpan, read};

use crate::office_writer as office;
use crate::pdf_writer::Pdf;

const METHODS: [ChunkMethod; 3] = [
    ChunkMethod::Fixed,
    ChunkMethod::Paragraph,
    ChunkMethod::Recursive,
];

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

fn defaults() -> ChunkingSettings {
    ChunkingSettings::default()
}

/// Chunks say where they stand, stay in their size, and leave no words out.
fn check(
    extracted: &Extracted,
    chunks: &[Chunk],
    settings: &ChunkingSettings,
    tokenizer: Tokenizer,
) {
    let chars: Vec<char> = extracted.text.chars().collect();
    let mut covered = vec![false; chars.len()];
    for (at, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal, at);
        let place: String = chars[chunk.char_start..chunk.char_end].iter().collect();
        assert_eq!(chunk.text, place);
        assert_eq!(chunk.token_count, tokenizer.counter().count(&chunk.text));
        let is_in_size = chunk.token_count <= settings.max_tokens as usize;
        assert!(is_in_size || chunk.text.chars().count() == 1, "{chunk:?}");
        covered[chunk.char_start..chunk.char_end].fill(true);
        for page in &extracted.pages {
            let crosses = chunk.char_start < page.start && page.start < chunk.char_end;
            assert!(
                !crosses || settings.method == ChunkMethod::Fixed,
                "{chunk:?} crosses the start of {page:?}"
            );
            let starts_on = page.start <= chunk.char_start && chunk.char_start < page.end;
            assert!(!starts_on || chunk.page == Some(page.page), "{chunk:?}");
        }
    }
    for (at, char) in chars.iter().enumerate() {
        assert!(
            covered[at] || char.is_whitespace(),
            "char {at} {char:?} is in no chunk"
        );
    }
}

/// Cuts by every method and both ways of counting, and checks each.
fn check_all(extracted: &Extracted, max_tokens: u32, overlap_tokens: u32) {
    for method in METHODS {
        for tokenizer in [Tokenizer::Estimate, Tokenizer::Cl100k] {
            let settings = ChunkingSettings {
                method,
                max_tokens,
                overlap_tokens,
            };
            let found = chunks(extracted, &settings, tokenizer.counter()).unwrap();
            let found: Vec<Chunk> = found.collect();
            check(extracted, &found, &settings, tokenizer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn chunks_rebuild_any_text(
        parts in prop::collection::vec("[a-zäßé ]{0,60}|[。、営業時間返品]{0,40}|\\PC{0,30}|[\n .!?]{0,4}", 0..40),
        headings in prop::collection::btree_map(0usize..1000, 1u8..5, 0..6),
        breaks in prop::collection::btree_set(1usize..1000, 0..6),
        max_tokens in 8u32..60,
        is_workbook in any::<bool>(),
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
        if is_workbook {
            extracted.media_type = MediaType::Xlsx;
        }
        if extracted.text.trim().is_empty() {
            prop_assert_eq!(split(&extracted, &defaults()), Err(ChunkError::Empty));
        } else {
            check_all(&extracted, max_tokens, max_tokens / 8);
        }
    }
}

/// A long document of every format, by what it is called.
fn documents() -> Vec<(&'static str, Extracted)> {
    let prose = "Parcels arrive in two days. Returns are free, if the seal is whole! ".repeat(20);
    let body: String = (0..6)
        .map(|at| {
            office::heading(1 + at % 2, &format!("Part {at}"))
                + &office::paragraph("", &prose)
                + &office::item(2, 0, "An item")
        })
        .collect();
    let rows: Vec<String> = (0..200)
        .map(|row| format!("| Tea {row} | {row}.50 | Assam, second flush |"))
        .collect();
    let markdown = format!(
        "# Shop\n\n{prose}\n\n## Teas\n\n| Kind | Price | Origin |\n|---|---|---|\n{}\n\n{prose}",
        rows.join("\n")
    );
    let html =
        format!("<h1>Shop</h1><p>{prose}</p><h2>More</h2><ul><li>{prose}<li>b</ul><p>{prose}");
    let mut book = rust_xlsxwriter::Workbook::new();
    for sheet in ["Teas", "Cups"] {
        let sheet = book.add_worksheet().set_name(sheet).unwrap();
        sheet.write_row(0, 0, ["Kind", "Price", "Origin"]).unwrap();
        for row in 1..300_u32 {
            sheet.write(row, 0, format!("Kind {row}")).unwrap();
            sheet.write(row, 1, f64::from(row) / 4.0).unwrap();
            sheet.write(row, 2, "Assam, second flush").unwrap();
        }
    }
    let lines: Vec<&str> = prose.split_inclusive("! ").collect();
    let pages: [&[&str]; 3] = [&lines, &lines[..3], &lines];
    let bytes = |media_type, bytes: &[u8]| read(media_type, bytes).unwrap();
    vec![
        (
            "pdf",
            bytes(MediaType::Pdf, &Pdf::with_pages(&pages).bytes()),
        ),
        ("docx", bytes(MediaType::Docx, &office::docx(&body))),
        (
            "xlsx",
            bytes(MediaType::Xlsx, &book.save_to_buffer().unwrap()),
        ),
        ("md", bytes(MediaType::Markdown, markdown.as_bytes())),
        ("html", bytes(MediaType::Html, html.as_bytes())),
        (
            "chinese",
            plain(
                &"营业时间为上午九点至下午六点。三十天内可以退货，\n\n运费由我们承担！".repeat(80),
            ),
        ),
        ("one paragraph", plain(&prose.repeat(40))),
        ("one word", plain(&"x".repeat(40_000))),
    ]
}

/// The text from page to page, as a reader hands it over.
fn parts_of(whole: &Extracted, pages_of_a_part: usize) -> Vec<Extracted> {
    let chars: Vec<char> = whole.text.chars().collect();
    let mut start = 0;
    let mut parts = Vec::new();
    for pages in whole.pages.chunks(pages_of_a_part) {
        let end = match pages.last() {
            Some(last) if Some(last) != whole.pages.last() => last.end,
            _ => chars.len(),
        };
        let headings = whole.headings.iter();
        let inside = headings.filter(|heading| (start..end).contains(&heading.start));
        parts.push(Extracted {
            text: chars[start..end].iter().collect(),
            pages: pages
                .iter()
                .map(|page| PageSpan {
                    start: page.start - start,
                    end: page.end - start,
                    ..*page
                })
                .collect(),
            headings: inside
                .map(|heading| HeadingSpan {
                    start: heading.start - start,
                    ..heading.clone()
                })
                .collect(),
            ..plain("")
        });
        start = end;
    }
    parts
}

#[test]
fn a_text_is_cut_in_parts_as_it_is_as_a_whole() {
    let mut whole = plain("");
    for page in 1..=40_u32 {
        let start = whole.text.chars().count() + if page == 1 { 0 } else { 2 };
        let title = format!("Größe {page}");
        let body = "Pakete kommen in zwei Tagen. Rückgaben sind frei! ".repeat(page as usize);
        let gap = if page == 1 { "" } else { "\n\n" };
        whole.text += gap;
        whole.text += &title;
        whole.text += "\n\n";
        whole.text += &body;
        if page % 3 == 0 {
            let level = u8::try_from(1 + page % 4).unwrap();
            whole.headings.push(HeadingSpan {
                level,
                text: title,
                start,
            });
        }
        let end = whole.text.chars().count();
        whole.pages.push(PageSpan { page, start, end });
    }
    for method in [ChunkMethod::Recursive, ChunkMethod::Paragraph] {
        let settings = ChunkingSettings {
            method,
            max_tokens: 128,
            overlap_tokens: 16,
        };
        assert!(Parts::can_cut(&settings));
        let expected = split(&whole, &settings).unwrap();
        assert!(expected.iter().any(|chunk| chunk.heading.is_some()));
        for pages in [1, 3, 40] {
            let mut parts = Parts::new(settings, Tokenizer::Estimate.counter());
            let found = parts_of(&whole, pages).into_iter();
            let found: Vec<Chunk> = found.flat_map(|part| parts.cut(part).unwrap()).collect();
            assert_eq!(found, expected);
        }
    }
    assert!(!Parts::can_cut(&ChunkingSettings {
        method: ChunkMethod::Fixed,
        ..defaults()
    }));
}

#[test]
fn every_method_cuts_every_format_where_it_says() {
    for (name, extracted) in documents() {
        println!("{name}: {} chars", extracted.text.chars().count());
        check_all(&extracted, 512, 64);
        check_all(&extracted, 100, 0);
        check_all(&extracted, 64, 31);
    }
}

#[test]
fn methods_differ_in_what_they_keep_whole() {
    let paragraph = |words: usize| "word ".repeat(words).trim().to_owned();
    let (short, long) = (paragraph(30), paragraph(80));
    let source = format!(
        "# A\n\n{short}\n\n{long}\n\n## B\n\n{short}\n\n# C\n\n{}",
        paragraph(300)
    );
    let extracted = read(MediaType::Markdown, source.as_bytes()).unwrap();
    let cut = |method| {
        let settings = ChunkingSettings {
            method,
            max_tokens: 100,
            overlap_tokens: 0,
        };
        split(&extracted, &settings).unwrap()
    };
    let sizes =
        |chunks: &[Chunk]| -> Vec<usize> { chunks.iter().map(|chunk| chunk.token_count).collect() };
    let fixed = cut(ChunkMethod::Fixed);
    let (last, full) = fixed.split_last().unwrap();
    assert!(
        full.iter().all(|chunk| chunk.token_count == 100),
        "{:?}",
        sizes(&fixed)
    );
    assert!(last.token_count <= 100);
    let by_paragraph = cut(ChunkMethod::Paragraph);
    assert_eq!(by_paragraph[0].text, format!("# A\n\n{short}"));
    assert_eq!(by_paragraph[1].text, long);
    assert_eq!(by_paragraph[2].text, format!("## B\n\n{short}"));
    assert!(by_paragraph[3].text.starts_with("# C\n\nword"));
    // A third of a passage is too little to cut the long paragraph off.
    let recursive = cut(ChunkMethod::Recursive);
    assert_eq!(recursive[0].token_count, 100, "{:?}", sizes(&recursive));
    assert_eq!(recursive[2].text, format!("## B\n\n{short}"));
}

#[test]
fn rows_of_a_sheet_are_understood_alone() {
    let documents = documents();
    let (_, extracted) = documents.iter().find(|(name, _)| *name == "xlsx").unwrap();
    for method in METHODS {
        let settings = ChunkingSettings {
            method,
            overlap_tokens: 0,
            ..defaults()
        };
        let chunks = split(extracted, &settings).unwrap();
        let sheets: Vec<_> = chunks
            .iter()
            .map(|chunk| chunk.heading.as_deref())
            .collect();
        assert_eq!(sheets.first(), Some(&Some("Teas")));
        assert_eq!(sheets.last(), Some(&Some("Cups")));
        for chunk in &chunks[1..chunks.len() - 1] {
            // The first and the last row may be cut, and the first two lines be the sheet's name.
            let Some(row) = chunk.text.lines().nth(3) else {
                continue;
            };
            assert!(
                row.contains("Kind: Kind ") || row == "Kind | Price | Origin",
                "{row}"
            );
        }
    }
}

#[test]
fn a_paragraph_of_a_megabyte_is_cut_in_good_time() {
    for text in [
        "The parcel arrives in two days and the driver rings twice. ".repeat(20_000),
        "営業時間は午前九時から午後六時までです。".repeat(20_000),
        "営業時間".repeat(40_000),
        "a".repeat(1_000_000),
        "a.".repeat(250_000),
        "no marks at all ".repeat(60_000),
        format!("a{}b", "\n".repeat(500_000)),
        "ร้านเปิดทุกวันเวลาเก้าโมงเช้า".repeat(4_000),
    ] {
        let extracted = plain(&text);
        let ways = [
            (ChunkMethod::Recursive, Tokenizer::Estimate),
            (ChunkMethod::Paragraph, Tokenizer::Cl100k),
        ];
        // One counts in every build; the other takes its time in one without optimisation.
        let is_hard = !text.contains(' ');
        for (method, tokenizer) in ways.into_iter().take(1 + usize::from(is_hard)) {
            let settings = ChunkingSettings {
                method,
                ..defaults()
            };
            let started = std::time::Instant::now();
            let found = chunks(&extracted, &settings, tokenizer.counter()).unwrap();
            let found: Vec<Chunk> = found.collect();
            let took = started.elapsed();
            println!(
                "{} bytes, {} chunks, {tokenizer:?}, {took:?}",
                text.len(),
                found.len()
            );
            assert!(took.as_secs() < 30, "{took:?}");
            check(&extracted, &found, &settings, tokenizer);
        }
    }
}

#[test]
fn neighbours_in_a_section_overlap() {
    let sentences: Vec<String> = (0..400)
        .map(|at| format!("This is sentence number {at}."))
        .collect();
    let chunks = split(&plain(&sentences.join(" ")), &defaults()).unwrap();
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
    let chunks = split(&extracted, &defaults()).unwrap();
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
        let found = split(&extracted, &defaults()).unwrap();
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
    let chunks = split(&extracted, &defaults()).unwrap();
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
    let chunks = split(&extracted, &defaults()).unwrap();
    assert_eq!(chunks.first().unwrap().page, Some(1));
    assert_eq!(chunks.last().unwrap().page, Some(4));
}

#[test]
fn nothing_cannot_be_cut_and_the_overlap_has_its_limit() {
    assert_eq!(split(&plain(" \n "), &defaults()), Err(ChunkError::Empty));
    let settings = ChunkingSettings {
        max_tokens: 10,
        overlap_tokens: 10,
        ..defaults()
    };
    assert_eq!(
        split(&plain("words"), &settings),
        Err(ChunkError::OverlapTooLarge)
    );
}

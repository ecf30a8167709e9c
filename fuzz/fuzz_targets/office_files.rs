//! Documents of Word, PowerPoint and OpenDocument, whose parts our own code reads: whatever they say,
//! it ends with a text or with a reason, and what it read has its pages and headings where it says.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::{Part, check_extracted, document};
use libfuzzer_sys::fuzz_target;
use rag::extract::{ExtractError, MediaType, read, sniff};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Word([Part<'a>; 4]),
    Slides([Part<'a>; 2]),
    Sheets(Part<'a>),
    Parts(u8, [Part<'a>; 2]),
    Bytes(u8, &'a [u8]),
}

const KINDS: [MediaType; 3] = [MediaType::Docx, MediaType::Pptx, MediaType::Ods];

const WORD: [&str; 4] = [
    "word/document.xml",
    "word/styles.xml",
    "word/numbering.xml",
    "word/footnotes.xml",
];

/// A presentation of two slides.
const PRESENTATION: [(&str, &str); 2] = [
    (
        "ppt/presentation.xml",
        "<p:presentation><p:sldId id=\"256\" r:id=\"r1\"/><p:sldId id=\"257\" r:id=\"r2\"/>\
         </p:presentation>",
    ),
    (
        "ppt/_rels/presentation.xml.rels",
        "<Relationships><Relationship Id=\"r1\" Type=\"x/slide\" Target=\"slides/slide1.xml\"/>\
         <Relationship Id=\"r2\" Type=\"x/slide\" Target=\"slides/slide2.xml\"/></Relationships>",
    ),
];

const SLIDES: [&str; 2] = ["ppt/slides/slide1.xml", "ppt/slides/slide2.xml"];

fuzz_target!(|input: Input<'_>| {
    let kind = |at: &u8| KINDS[usize::from(*at) % KINDS.len()];
    let (kind, bytes) = match &input {
        Input::Word(parts) => (MediaType::Docx, document(&[], &WORD, parts)),
        Input::Slides(parts) => (MediaType::Pptx, document(&PRESENTATION, &SLIDES, parts)),
        Input::Sheets(part) => {
            let part = std::slice::from_ref(part);
            (MediaType::Ods, document(&[], &["content.xml"], part))
        }
        Input::Parts(at, parts) => {
            let names = match kind(at) {
                MediaType::Docx => ["_rels/.rels", "word/document.xml"],
                MediaType::Pptx => ["ppt/presentation.xml", "ppt/_rels/presentation.xml.rels"],
                _ => ["META-INF/manifest.xml", "content.xml"],
            };
            (kind(at), document(&[], &names, parts))
        }
        Input::Bytes(at, bytes) => (kind(at), bytes.to_vec()),
    };
    sniff("a", None, &bytes).ok();
    match read(kind, &bytes) {
        Ok(extracted) => check_extracted(&extracted),
        Err(
            error @ (ExtractError::TooSlow { .. }
            | ExtractError::Crashed
            | ExtractError::Unavailable(_)),
        ) => panic!("no reader says this: {error}"),
        Err(_) => {}
    }
});

//! What is shown of sources: taking the numbers out takes nothing else, and the list names what is
//! cited and only that.
#![no_main]

use arbitrary::Arbitrary;
use channels::{Citations, Markup, cite, to_markup};
use domain::{ChunkId, DocumentId, Source};
use fuzz::{Text, letters};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    text: Text,
    titles: Vec<(u8, String, Option<u8>)>,
}

fuzz_target!(|input: Input| {
    let text = input.text.build(4000);
    let sources: Vec<Source> = input.titles.iter().take(20).map(source).collect();
    assert_eq!(cite(&text, &sources, Citations::Beside), text);
    let hidden = cite(&text, &sources, Citations::Hidden);
    assert!(hidden.len() <= text.len());
    assert_eq!(letters(&hidden), letters(&text));
    let listed = cite(&text, &sources, Citations::Listed);
    assert!(listed.starts_with(text.trim_end()));
    if sources.is_empty() {
        assert_eq!(
            (hidden.as_str(), listed.as_str()),
            (text.as_str(), text.as_str())
        );
    }
    // A list is there if and only if a number was.
    assert_eq!(listed == text, hidden == text);
    for markup in [Markup::Whatsapp, Markup::Plain] {
        to_markup(markup, &listed);
    }
});

fn source((number, title, page): &(u8, String, Option<u8>)) -> Source {
    Source {
        number: u32::from(*number % 12),
        document_id: DocumentId::new(),
        chunk_id: ChunkId::new(),
        title: title.clone(),
        page: page.map(i32::from),
        heading: None,
        score: 1.0,
        excerpt: String::new(),
    }
}

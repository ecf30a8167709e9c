//! Files that are text: whatever their encoding and however broken, what is read of them has its
//! pages and headings where it says, holds no control characters, and can be cut.
#![no_main]

use arbitrary::Arbitrary;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use fuzz::{Text, check_extracted};
use libfuzzer_sys::fuzz_target;
use rag::extract::{ExtractError, Extracted, MediaType, read, sniff};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Bytes(u8, &'a [u8]),
    Written(u8, Text, u8),
    Named(&'a str, Option<&'a str>, &'a [u8]),
}

const TYPES: [MediaType; 4] = [
    MediaType::Text,
    MediaType::Markdown,
    MediaType::Html,
    MediaType::Csv,
];

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Bytes(kind, bytes) => {
            check(TYPES[usize::from(kind) % TYPES.len()], bytes);
        }
        Input::Written(kind, text, encoding) => {
            let text = text.build(8000);
            check(TYPES[usize::from(kind) % TYPES.len()], text.as_bytes());
            check_encoding(&text, encoding);
        }
        Input::Named(name, declared, bytes) => {
            // A PDF is read by others' code, in a process of its own.
            if let Ok(kind) = sniff(name, declared, bytes)
                && TYPES.contains(&kind)
            {
                check(kind, bytes);
            }
        }
    }
});

fn check(kind: MediaType, bytes: &[u8]) -> Option<Extracted> {
    let extracted = match read(kind, bytes) {
        Ok(extracted) => extracted,
        Err(ExtractError::NotText | ExtractError::Empty | ExtractError::TooDeep) => return None,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(extracted.media_type, kind);
    assert!(extracted.pages.is_empty());
    check_extracted(&extracted);
    Some(extracted)
}

/// A text with a byte order mark reads the same in every encoding that has one.
fn check_encoding(text: &str, encoding: u8) {
    // The mark itself, and what no file can say.
    let text = text.trim_start_matches('\u{feff}');
    let encodings: [(&Encoding, &[u8]); 3] = [
        (UTF_8, b"\xef\xbb\xbf"),
        (UTF_16LE, b"\xff\xfe"),
        (UTF_16BE, b"\xfe\xff"),
    ];
    let (encoding, mark) = encodings[usize::from(encoding) % encodings.len()];
    let mut bytes = mark.to_vec();
    if encoding == UTF_16LE {
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    } else if encoding == UTF_16BE {
        bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    } else {
        bytes.extend(text.as_bytes());
    }
    let read = check(MediaType::Text, &bytes).map(|extracted| extracted.text);
    let marked = ["\u{feff}", text].concat();
    let expected = check(MediaType::Text, marked.as_bytes()).map(|extracted| extracted.text);
    assert_eq!(read, expected);
}

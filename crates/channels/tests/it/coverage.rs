//! The crate's own posts show whatever decoding knows: a type, a name or a value of an operator's that
//! stands in the code and in no fixture would be read as no test tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use domain::ChannelKind;
use serde_json::Value;

use crate::fixtures::{names_of, post_of};

/// What takes a kind's posts apart.
struct Decoder {
    kind: ChannelKind,
    folder: &'static str,
    files: &'static [&'static str],
    /// Those whose arms tell values apart; in the others they may be names.
    tells_values: &'static [&'static str],
    /// Words of the product's own.
    own: &'static [&'static str],
}

const DECODERS: [Decoder; 3] = [
    Decoder {
        kind: ChannelKind::Whatsapp,
        folder: "whatsapp",
        files: &["account.rs", "content.rs", "decode.rs", "split.rs"],
        tells_values: &["account.rs", "content.rs", "decode.rs"],
        own: &["unknown", "value_error"],
    },
    Decoder {
        kind: ChannelKind::Messenger,
        folder: "messenger",
        files: &["content.rs", "decode.rs", "split.rs"],
        tells_values: &["content.rs"],
        own: &["attachment", "edit", "event", "unknown"],
    },
    Decoder {
        kind: ChannelKind::Http,
        folder: "http_channel",
        files: &["event.rs"],
        tells_values: &["event.rs"],
        own: &[],
    },
];

/// The names and the values of JSON.
#[derive(Default)]
struct Words {
    names: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Words {
    fn of(kind: ChannelKind) -> Self {
        let mut words = Self::default();
        for name in names_of(kind) {
            words.add(&serde_json::from_slice(&post_of(kind, &name)).unwrap());
        }
        words
    }

    fn add(&mut self, json: &Value) {
        match json {
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.names.insert(name.clone());
                    self.add(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::String(text) => {
                self.values.insert(text.clone());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn has_value(&self, word: &str) -> bool {
        // What ends so is the beginning of several.
        let begins = |value: &String| word.ends_with('_') && value.starts_with(word);
        self.values.contains(word) || self.values.iter().any(begins)
    }
}

/// The words between quotes, without those that are sentences.
fn quoted(code: &str) -> impl Iterator<Item = &str> {
    let is_word = |text: &&str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        !text.is_empty() && text.chars().all(is_part)
    };
    code.split('"').skip(1).step_by(2).filter(is_word)
}

/// What an arm on this line, or a part of one, is told by.
fn arm_of(line: &str) -> &str {
    let is_item = line.ends_with(',');
    match line.split_once("=>") {
        Some((arm, _)) => arm,
        None if line.starts_with('|') || (line.starts_with('"') && !is_item) => line,
        None => "",
    }
}

fn not_shown(decoder: &Decoder) -> Vec<String> {
    let words = Words::of(decoder.kind);
    let mut missing = Vec::new();
    for file in decoder.files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let code = fs::read_to_string(path.join(decoder.folder).join(file)).unwrap();
        let (code, _) = code.split_once("#[cfg(test)]").unwrap_or((&code, ""));
        let lines = code.lines().map(str::trim);
        for line in lines.filter(|line| !line.starts_with("//")) {
            let tells_values = decoder.tells_values.contains(file);
            let values: Vec<&str> = quoted(arm_of(line)).filter(|_| tells_values).collect();
            for word in quoted(line).filter(|word| !decoder.own.contains(word)) {
                let is_value = words.has_value(word);
                let is_name = !values.contains(&word) && words.names.contains(word);
                if !is_value && !is_name {
                    missing.push(format!("{} {file}: {word}", decoder.kind));
                }
            }
        }
    }
    missing
}

#[test]
fn whatever_decoding_knows_stands_in_a_fixture() {
    let missing: Vec<String> = DECODERS.iter().flat_map(not_shown).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_word_that_no_fixture_has_is_found() {
    let line = r#"Some("text" | "hologram") => read(part, "x y"), "#;
    assert_eq!(
        quoted(arm_of(line)).collect::<Vec<_>>(),
        ["text", "hologram"]
    );
    assert_eq!(quoted(line).count(), 2);
    assert_eq!(arm_of(r#"| "security""#), r#"| "security""#);
    assert_eq!(arm_of(r#""postback","#), "");
    let words = Words::of(ChannelKind::Whatsapp);
    // A type that the code does not know, and one that nobody knows.
    assert!(words.has_value("hologram") && words.has_value("TIER_"));
    assert!(!words.has_value("telepathy") && !words.names.contains("telepathy"));
}

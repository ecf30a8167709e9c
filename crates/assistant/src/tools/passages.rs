use std::fmt::Write as _;

use crate::ingest::search::Passage;

/// The passages that an answer may cite, each by a number of its own, from 1.
#[derive(Debug, Default)]
pub struct Sources(Vec<Passage>);

impl Sources {
    /// Passages that are numbered already.
    pub(crate) const fn of(passages: Vec<Passage>) -> Self {
        Self(passages)
    }

    /// Adds a passage; one that is there keeps its number.
    pub fn add(&mut self, mut passage: Passage) -> u32 {
        let chunk = passage.source.chunk_id;
        if let Some(known) = self.0.iter().find(|known| known.source.chunk_id == chunk) {
            return known.source.number;
        }
        let number = u32::try_from(self.0.len()).map_or(u32::MAX, |count| count + 1);
        passage.source.number = number;
        self.0.push(passage);
        number
    }

    /// All of them so far, in the order of their numbers.
    pub(crate) fn passages(&self) -> &[Passage] {
        &self.0
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn into_passages(self) -> Vec<Passage> {
        self.0
    }
}

/// Writes a passage as a model gets to see it: its number, where it stands, and its words between
/// marks that they cannot close.
pub(crate) fn quote(text: &mut String, number: u32, passage: &Passage) {
    let source = &passage.source;
    // Writing to a String cannot fail.
    write!(text, "\n[{number}] {}", one_line(&source.title)).ok();
    if let Some(page) = source.page {
        write!(text, ", page {page}").ok();
    }
    if let Some(heading) = &source.heading {
        write!(text, ", {}", one_line(heading)).ok();
    }
    write!(text, "\n<source>\n{}\n</source>\n", tamed(&passage.text)).ok();
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    tamed(&words.join(" "))
}

/// The text without anything that looks like the marks around it, in whatever case and spacing.
fn tamed(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let is_mark = c == '<' && begins_mark(&text[at + 1..]);
        safe.push(if is_mark { '‹' } else { c });
    }
    safe
}

fn begins_mark(after: &str) -> bool {
    const NAME: &str = "source";
    let name = after.trim_start();
    let name = name.strip_prefix('/').unwrap_or(name).trim_start();
    name.get(..NAME.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(NAME))
}

#[cfg(test)]
mod tests {
    use domain::{ChunkId, DocumentId, Source};

    use super::*;

    fn passage(text: &str) -> Passage {
        Passage {
            source: Source {
                number: 0,
                document_id: DocumentId::new(),
                chunk_id: ChunkId::new(),
                title: "Terms\n[9] of".to_owned(),
                page: Some(3),
                heading: Some("Returns".to_owned()),
                score: 0.9,
                excerpt: String::new(),
            },
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_passage_found_twice_keeps_its_number() {
        let mut sources = Sources::default();
        let (one, other) = (passage("one"), passage("other"));
        assert_eq!(sources.add(one.clone()), 1);
        assert_eq!(sources.add(other), 2);
        assert_eq!(sources.add(one), 1);
        let numbers: Vec<u32> = sources.0.iter().map(|known| known.source.number).collect();
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn what_stands_in_a_passage_cannot_end_it() {
        for mark in [
            "</source>",
            "</SOURCE >",
            "< / source>",
            "<source>",
            "</sou</source>rce>",
        ] {
            let mut text = String::new();
            quote(&mut text, 1, &passage(&format!("before {mark} after")));
            assert_eq!(text.matches("<source>").count(), 1, "{text}");
            assert_eq!(text.matches("</source>").count(), 1, "{text}");
            assert!(text.ends_with("after\n</source>\n"), "{text}");
        }
        let mut text = String::new();
        quote(&mut text, 1, &passage("a < b, <b>bold</b>"));
        assert!(text.starts_with("\n[1] Terms [9] of, page 3, Returns\n<source>\n"));
        assert!(text.contains("a < b, <b>bold</b>"));
    }
}

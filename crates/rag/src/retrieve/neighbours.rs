//! Picks the passages for an answer: near-duplicates of better ones left out, neighbours merged.

use super::Retrieved;
use crate::fuse::Distinct;

/// The longest that two neighbouring chunks are looked at for words they share, in chars.
const MAX_OVERLAP: usize = 4000;

/// The first `wanted` of `ranked`. One that says the same as a better one is left out; one that
/// stands right before or after a better one of the same document becomes a part of it, if both
/// together have at most `most_tokens`.
pub(super) fn pick(ranked: Vec<Retrieved>, wanted: usize, most_tokens: i32) -> Vec<Retrieved> {
    let mut picked: Vec<Retrieved> = Vec::new();
    let mut distinct = Distinct::default();
    for candidate in ranked {
        if picked.len() >= wanted {
            break;
        }
        if !distinct.admits(&candidate.passage.text) {
            continue;
        }
        match picked
            .iter()
            .position(|better| fit(better, &candidate, most_tokens))
        {
            Some(at) => {
                if let Some(better) = picked.get_mut(at) {
                    join(better, candidate);
                    close_gaps(&mut picked, at, most_tokens);
                }
            }
            None => picked.push(candidate),
        }
    }
    picked
}

/// Whether both stand side by side and are not too long together.
fn fit(one: &Retrieved, other: &Retrieved, most_tokens: i32) -> bool {
    let follows = |first: &Retrieved, second: &Retrieved| {
        first.last_ordinal.checked_add(1) == Some(second.passage.ordinal)
    };
    let tokens = one
        .passage
        .token_count
        .saturating_add(other.passage.token_count);
    one.passage.document_id == other.passage.document_id
        && (follows(one, other) || follows(other, one))
        && tokens <= most_tokens
}

/// A passage that has grown may now touch another one.
fn close_gaps(picked: &mut Vec<Retrieved>, at: usize, most_tokens: i32) {
    let Some(grown) = picked.get(at) else {
        return;
    };
    let touches =
        |(number, other): (usize, &Retrieved)| number != at && fit(grown, other, most_tokens);
    let Some(other) = picked.iter().enumerate().position(touches) else {
        return;
    };
    // The better of both stands first, and keeps its place and scores.
    let (first, second) = (at.min(other), at.max(other));
    let worse = picked.remove(second);
    if let Some(better) = picked.get_mut(first) {
        join(better, worse);
    }
}

/// Makes `other`, which stands right before or after it, a part of `better`, whose id, scores, page and
/// headings stay: they are what an answer cites.
fn join(better: &mut Retrieved, other: Retrieved) {
    let is_after = other.passage.ordinal > better.passage.ordinal;
    let (first, second) = if is_after {
        (&better.passage, &other.passage)
    } else {
        (&other.passage, &better.passage)
    };
    let shared = first.char_end.saturating_sub(second.char_start);
    let text = joined(
        &first.text,
        &second.text,
        usize::try_from(shared).unwrap_or(0),
    );
    let (passage, more) = (&mut better.passage, other.passage);
    passage.text = text;
    passage.token_count = passage.token_count.saturating_add(more.token_count);
    passage.ordinal = passage.ordinal.min(more.ordinal);
    passage.char_start = passage.char_start.min(more.char_start);
    passage.char_end = passage.char_end.max(more.char_end);
    better.last_ordinal = better.last_ordinal.max(other.last_ordinal);
    if is_after {
        better.chunk_ids.extend(other.chunk_ids);
    } else {
        better.chunk_ids.splice(0..0, other.chunk_ids);
    }
}

/// Both texts in a row; the `shared` chars that end the first and begin the second stand once. Where
/// they are not the same, as between parts of a table that repeat its head, nothing is left out.
fn joined(first: &str, second: &str, shared: usize) -> String {
    let rest = second
        .char_indices()
        .nth(shared.min(MAX_OVERLAP))
        .and_then(|(at, _)| second.split_at_checked(at));
    match rest {
        Some((head, rest)) if shared > 0 && first.ends_with(head) => format!("{first}{rest}"),
        _ => format!("{first}\n{second}"),
    }
}

#[cfg(test)]
mod tests {
    use domain::{ChunkId, DocumentId};
    use store::search::Passage;

    use super::super::Scores;
    use super::*;

    fn chunk(document: DocumentId, ordinal: i32, text: &str, char_start: i32) -> Retrieved {
        let chunk_id = ChunkId::new();
        Retrieved {
            passage: Passage {
                chunk_id,
                document_id: document,
                title: "Rules".to_owned(),
                text: text.to_owned(),
                token_count: 10,
                page: Some(ordinal + 1),
                heading: Some(format!("{ordinal}")),
                ordinal,
                char_start,
                char_end: char_start + i32::try_from(text.chars().count()).unwrap(),
            },
            chunk_ids: vec![chunk_id],
            last_ordinal: ordinal,
            scores: Scores {
                keyword: None,
                vector: None,
                fused: 1.0 - f64::from(ordinal) / 10.0,
                rerank: None,
            },
        }
    }

    fn texts(picked: &[Retrieved]) -> Vec<&str> {
        picked
            .iter()
            .map(|found| found.passage.text.as_str())
            .collect()
    }

    #[test]
    fn neighbours_become_one_in_the_order_of_the_text() {
        let (document, other) = (DocumentId::new(), DocumentId::new());
        let second = chunk(document, 1, "three four five", 8);
        let first = chunk(document, 0, "one two three", 0);
        let elsewhere = chunk(other, 2, "six", 30);
        let ids = [first.chunk_ids[0], second.chunk_ids[0]];
        let picked = pick(vec![second, elsewhere, first], 5, 100);
        assert_eq!(texts(&picked), ["one two three four five", "six"]);
        let merged = &picked[0];
        assert_eq!(merged.chunk_ids, ids);
        assert_eq!(merged.passage.chunk_id, ids[1]);
        assert_eq!(
            (merged.passage.page, merged.passage.token_count),
            (Some(2), 20)
        );
        assert_eq!(
            (merged.passage.char_start, merged.passage.char_end),
            (0, 23)
        );
        assert!((merged.scores.fused - 0.9).abs() < 1e-9);
    }

    #[test]
    fn a_chunk_between_two_passages_makes_them_one() {
        let document = DocumentId::new();
        let chunk = |ordinal, text| chunk(document, ordinal, text, ordinal * 100);
        let ranked = vec![chunk(0, "a"), chunk(2, "c"), chunk(1, "b")];
        assert_eq!(texts(&pick(ranked, 5, 100)), ["a\nb\nc"]);
    }

    #[test]
    fn nothing_grows_beyond_its_tokens() {
        let document = DocumentId::new();
        let chunk = |ordinal, text| chunk(document, ordinal, text, ordinal * 100);
        let ranked = || vec![chunk(0, "a"), chunk(1, "b"), chunk(2, "c")];
        assert_eq!(texts(&pick(ranked(), 5, 20)), ["a\nb", "c"]);
        assert_eq!(texts(&pick(ranked(), 5, 0)), ["a", "b", "c"]);
        assert_eq!(texts(&pick(ranked(), 1, 0)), ["a"]);
        assert!(pick(ranked(), 0, 100).is_empty());
    }

    #[test]
    fn what_two_parts_do_not_share_is_not_cut() {
        assert_eq!(
            joined("head\nrow 1", "head\nrow 2", 4),
            "head\nrow 1\nhead\nrow 2"
        );
        assert_eq!(joined("größer als", "als 返品", 3), "größer als 返品");
        assert_eq!(joined("a", "b", 99), "a\nb");
    }
}

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Texts that share more than this part of their shingles say the same.
const SAME: f64 = 0.9;

/// Chars of a shingle. Chars and not words, so that it works for scripts without spaces.
const SHINGLE: usize = 8;

/// The first `k` of `ranked` that are not near-duplicates of a better one: less than nine tenths
/// of their runs of 8 chars, letter case and white space aside, are the same (Jaccard).
pub fn top_distinct<T>(ranked: Vec<T>, k: usize, text: impl Fn(&T) -> &str) -> Vec<T> {
    let mut kept = Vec::new();
    let mut seen: Vec<HashSet<u64>> = Vec::new();
    for candidate in ranked {
        if kept.len() == k {
            break;
        }
        let shingles = shingles(text(&candidate));
        if seen.iter().all(|other| jaccard(other, &shingles) <= SAME) {
            seen.push(shingles);
            kept.push(candidate);
        }
    }
    kept
}

fn shingles(text: &str) -> HashSet<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let chars: Vec<char> = words.join(" ").to_lowercase().chars().collect();
    let size = SHINGLE.min(chars.len().max(1));
    chars
        .windows(size)
        .map(|window| {
            let mut hasher = DefaultHasher::new();
            window.hash(&mut hasher);
            hasher.finish()
        })
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a chunk has a few thousand shingles"
)]
fn jaccard(one: &HashSet<u64>, other: &HashSet<u64>) -> f64 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    if all == 0 {
        1.0
    } else {
        common as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETURNS: &str = "You can return any item within thirty days of delivery, in its \
        original box, with the receipt. We refund the full price to the card you paid with. \
        Returns from abroad cost five euros; within the country they are free of charge.";

    #[test]
    fn near_duplicates_give_way_to_the_better_one() {
        let again = RETURNS.to_uppercase().replace(' ', "\n");
        let nearly = format!("{RETURNS} Thanks!");
        let other = "Parcels leave our house on the day of the order.";
        let ranked = vec![RETURNS, &again, &nearly, other];
        assert_eq!(top_distinct(ranked, 5, |text| text), [RETURNS, other]);
    }

    #[test]
    fn changed_facts_are_no_duplicates() {
        let changed = RETURNS
            .replace("thirty days", "two weeks")
            .replace("five", "ten");
        assert_eq!(
            top_distinct(vec![RETURNS, &changed], 5, |text| text).len(),
            2
        );
    }

    #[test]
    fn no_more_than_asked_for_and_short_texts_too() {
        assert_eq!(
            top_distinct(vec!["a", "a", "b", "c"], 2, |text| text),
            ["a", "b"]
        );
        assert_eq!(top_distinct(vec!["", "", "x"], 3, |text| text), ["", "x"]);
        assert!(top_distinct(vec!["a"], 0, |text| text).is_empty());
    }
}

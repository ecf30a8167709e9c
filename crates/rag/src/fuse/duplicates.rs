use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Texts that share more than this part of their shingles say the same.
const SAME: f64 = 0.9;

/// Chars of a shingle. Chars and not words, so that it works for scripts without spaces.
const SHINGLE: usize = 8;

/// Lets texts pass that are not near-duplicates of one that passed before: less than nine tenths of
/// their runs of 8 chars, letter case and white space aside, are the same (Jaccard).
#[derive(Debug, Default)]
pub struct Distinct {
    seen: Vec<HashSet<u64>>,
}

impl Distinct {
    /// Whether `text` is new; it counts as seen from now on if it is.
    pub fn admits(&mut self, text: &str) -> bool {
        let shingles = shingles(text);
        let is_new = self
            .seen
            .iter()
            .all(|other| jaccard(other, &shingles) <= SAME);
        if is_new {
            self.seen.push(shingles);
        }
        is_new
    }
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

    fn distinct<'a>(texts: &[&'a str]) -> Vec<&'a str> {
        let mut distinct = Distinct::default();
        let mut kept = texts.to_vec();
        kept.retain(|text| distinct.admits(text));
        kept
    }

    #[test]
    fn near_duplicates_give_way_to_the_better_one() {
        let again = RETURNS.to_uppercase().replace(' ', "\n");
        let nearly = format!("{RETURNS} Thanks!");
        let other = "Parcels leave our house on the day of the order.";
        assert_eq!(
            distinct(&[RETURNS, &again, &nearly, other]),
            [RETURNS, other]
        );
    }

    #[test]
    fn changed_facts_are_no_duplicates() {
        let changed = RETURNS
            .replace("thirty days", "two weeks")
            .replace("five", "ten");
        assert_eq!(distinct(&[RETURNS, &changed]).len(), 2);
    }

    #[test]
    fn short_texts_are_told_apart_too() {
        assert_eq!(distinct(&["a", "a", "b"]), ["a", "b"]);
        assert_eq!(distinct(&["", "", "x"]), ["", "x"]);
    }
}

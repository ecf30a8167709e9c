use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::{Embedded, Embedder};
use crate::Error;
use crate::builtin::words::{self, Word};

const DIMENSIONS: usize = 256;
/// What all the n-grams of one word weigh beside the word itself.
const NGRAM_SHARE: f32 = 0.6;
/// How long n-grams are, in chars, a word's two ends counted.
const GRAM_CHARS: RangeInclusive<usize> = 3..=5;

/// The embedder that needs no model: words and their character n-grams of 3 to 5, hashed with a
/// sign into 256 numbers, sublinear in their count, of length 1.
///
/// It finds shared words and shared stems, not shared meaning. A text without words is all zeros.
/// The name changes whenever the vectors do.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashedNgrams;

impl HashedNgrams {
    /// The vector of one text.
    pub fn vector(text: &str) -> Vec<f32> {
        let mut counts: HashMap<String, u16> = HashMap::new();
        for word in words::content_of_any_language(text) {
            let count = counts.entry(word.stem).or_default();
            *count = count.saturating_add(1);
        }
        // In a fixed order, so that rounding is the same in every run.
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut vector = vec![0.0; DIMENSIONS];
        for (word, count) in counts {
            add_word(&mut vector, &word, 1.0 + f32::from(count).ln());
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            for x in &mut vector {
                *x /= length;
            }
        }
        vector
    }
}

fn add_word(vector: &mut [f32], word: &str, weight: f32) {
    add(vector, fnv1a(FNV_START, word.as_bytes()), weight);
    if !word.is_ascii() && word.chars().any(Word::is_cjk_char) {
        return;
    }
    let bounded = format!("<{word}>");
    // Where its chars start, and where the last one ends.
    let mut edges: Vec<usize> = bounded.char_indices().map(|(at, _)| at).collect();
    edges.push(bounded.len());
    let grams: usize = GRAM_CHARS
        .map(|size| edges.len().saturating_sub(size))
        .sum();
    let count = u16::try_from(grams.max(1)).unwrap_or(u16::MAX);
    // By the root: n-grams of one word fall in different places, so their squares add up.
    let share = NGRAM_SHARE * weight / f32::from(count).sqrt();
    // What tells an n-gram from a word of the same letters.
    let mark = fnv1a(FNV_START, b"#");
    for size in GRAM_CHARS {
        for gram in edges.windows(size + 1) {
            let letters = &bounded.as_bytes()[gram[0]..gram[size]];
            add(vector, fnv1a(mark, letters), share);
        }
    }
}

fn add(vector: &mut [f32], hash: u64, weight: f32) {
    // FNV's low bits alone are weak; the high ones are folded in.
    let place = (hash ^ (hash >> 29) ^ (hash >> 47)) % DIMENSIONS as u64;
    let sign = if (hash >> 40) & 1 == 0 { 1.0 } else { -1.0 };
    if let Some(x) = usize::try_from(place)
        .ok()
        .and_then(|at| vector.get_mut(at))
    {
        *x += sign * weight;
    }
}

/// What FNV-1a starts from.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits, of what was hashed before and `bytes`: the same in every process and every
/// version, as stored vectors need.
fn fnv1a(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[async_trait::async_trait]
impl Embedder for HashedNgrams {
    fn provider(&self) -> &'static str {
        "builtin"
    }

    fn model(&self) -> &'static str {
        "hashed-ngrams-1"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn is_worth_keeping(&self) -> bool {
        false
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        Ok(Embedded {
            vectors: texts.iter().map(|text| Self::vector(text)).collect(),
            tokens: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let (a, b) = (HashedNgrams::vector(a), HashedNgrams::vector(b));
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // Source: the FNV test suite, draft-eastlake-fnv, 2026-11.
        assert_eq!(fnv1a(FNV_START, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(FNV_START, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(FNV_START, b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn vectors_have_length_one_and_an_empty_text_has_none() {
        let length = |text| {
            HashedNgrams::vector(text)
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
        };
        assert!((length("Opening hours: 9 to 5") - 1.0).abs() < 1e-5);
        assert!(length(" … ").abs() < f32::EPSILON);
    }

    #[test]
    fn the_passage_that_speaks_of_the_question_is_nearest() {
        let passages = [
            "Returns: you can send an item back within 30 days of delivery for a full refund. \
             Refunds reach your account five working days after the parcel has reached us.",
            "Our shop in Lyon is open Monday to Friday from 9:00 to 18:30, on Saturdays until noon.",
            "Parcels within the EU travel for three to five working days. Express shipping costs 12 euros.",
        ];
        for (question, best) in [
            ("When will I get my refund?", 0),
            ("what time do you open on saturday", 1),
            ("How much is express shipping?", 2),
        ] {
            let scores = passages.map(|passage| cosine(question, passage));
            let first = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(first, Some(best), "{question}: {scores:?}");
            assert!(scores[best] > 0.2, "{question}: {scores:?}");
        }
    }

    #[test]
    fn chinese_is_compared_by_its_characters() {
        let near = cosine(
            "退货期限是多久",
            "商品可在三十天内退货，退货期限从收货日算起。",
        );
        let far = cosine("退货期限是多久", "我们的门店周一至周五营业。");
        assert!(near > far + 0.2, "{near} {far}");
    }
}

//! Ranks the best passages again, with more care than a whole collection could be given.

use std::collections::{HashMap, HashSet};

use crate::terms;

/// Why a reranker has no scores.
pub type RerankError = Box<dyn std::error::Error + Send + Sync>;

/// A passage to be ranked again.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The headings it stands under.
    pub heading: Option<&'a str>,
    /// Its words.
    pub text: &'a str,
    /// Its fused score, from 0 to 1.
    pub fused: f64,
}

/// Something that tells how well passages fit a question.
#[async_trait::async_trait]
pub trait Reranker: Send + Sync {
    /// A score for each candidate, in their order; more is better, and one that is no number means
    /// that it has none. Fewer scores than candidates leave the last ones without.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    async fn rerank(
        &self,
        question: &str,
        candidates: &[Candidate<'_>],
    ) -> Result<Vec<f64>, RerankError>;
}

/// The reranker that needs no model: beside the fused score it counts how much of the question stands
/// in a passage, rare words more than common ones, and how much of that in the question's order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lexical;

/// What coverage and order weigh beside the fused score.
const COVERAGE: f64 = 0.15;
const ORDER: f64 = 0.10;
/// How many words may stand between two of the question that follow each other there.
const NEAR: usize = 3;
/// Words are compared by this many of their first chars: endings count for nothing.
const STEM_CHARS: usize = 6;

#[async_trait::async_trait]
impl Reranker for Lexical {
    async fn rerank(
        &self,
        question: &str,
        candidates: &[Candidate<'_>],
    ) -> Result<Vec<f64>, RerankError> {
        Ok(scores(question, candidates))
    }
}

fn scores(question: &str, candidates: &[Candidate<'_>]) -> Vec<f64> {
    let asked = stems(question);
    let passages: Vec<Vec<String>> = candidates
        .iter()
        .map(|candidate| {
            let heading = candidate.heading.unwrap_or_default();
            stems(&format!("{heading}\n{}", candidate.text))
        })
        .collect();
    let weights = weights(&asked, &passages);
    let pairs: Vec<(&String, &String)> = asked.iter().zip(asked.iter().skip(1)).collect();
    let weight = |stem: &String| weights.get(stem).copied().unwrap_or_default();
    let pair_weight = |(one, other): &(&String, &String)| weight(one).min(weight(other));
    let all: f64 = weights.values().sum();
    let all_pairs: f64 = pairs.iter().map(pair_weight).sum();
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    candidates
        .iter()
        .zip(&passages)
        .map(|(candidate, passage)| {
            let places = places(passage);
            let found = weights
                .iter()
                .filter(|(stem, _)| places.contains_key(*stem));
            let covered: f64 = found.map(|(_, weight)| weight).sum();
            let near = pairs
                .iter()
                .filter(|(one, other)| are_near(&places, one, other));
            let in_order: f64 = near.map(pair_weight).sum();
            (1.0 - COVERAGE - ORDER) * candidate.fused
                + COVERAGE * share(covered, all)
                + ORDER * share(in_order, all_pairs)
        })
        .collect()
}

/// The first chars of each word, in lower case, and pairs of chars of scripts without spaces.
fn stems(text: &str) -> Vec<String> {
    let spaced = terms::spaced(text);
    let words = spaced
        .split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut stems: Vec<String> = words
        .map(|word| word.to_lowercase().chars().take(STEM_CHARS).collect())
        .collect();
    stems.extend(terms::bigrams(text));
    stems
}

/// How rare each word of the question is among the passages; one that all of them have weighs next to
/// nothing.
fn weights(asked: &[String], passages: &[Vec<String>]) -> HashMap<String, f64> {
    let sets: Vec<HashSet<&String>> = passages
        .iter()
        .map(|stems| stems.iter().collect())
        .collect();
    let weight = |stem: &String| {
        let with = sets.iter().filter(|stems| stems.contains(stem)).count();
        let (with, all) = (as_f64(with), as_f64(passages.len()));
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    };
    asked
        .iter()
        .map(|stem| (stem.clone(), weight(stem)))
        .collect()
}

fn places(stems: &[String]) -> HashMap<&String, Vec<usize>> {
    let mut places: HashMap<&String, Vec<usize>> = HashMap::new();
    for (at, stem) in stems.iter().enumerate() {
        places.entry(stem).or_default().push(at);
    }
    places
}

fn are_near(places: &HashMap<&String, Vec<usize>>, one: &String, other: &String) -> bool {
    let (Some(first), Some(second)) = (places.get(one), places.get(other)) else {
        return false;
    };
    first.iter().any(|at| {
        let after = second.partition_point(|place| place <= at);
        second.get(after).is_some_and(|place| place - at <= NEAR)
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "there are some dozens of passages"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(text: &str) -> Candidate<'_> {
        Candidate {
            heading: None,
            text,
            fused: 0.5,
        }
    }

    #[test]
    fn more_of_the_question_and_in_its_order_is_better() {
        let scores = scores(
            "opening hours on Sunday",
            &[
                candidate("On Sunday the shop in Lyon keeps its opening hours from ten to four."),
                candidate("The hours of the hotline differ; opening a case takes a Sunday or two."),
                candidate("The shop has a garden."),
            ],
        );
        assert!(scores[0] > scores[1] && scores[1] > scores[2], "{scores:?}");
    }

    #[test]
    fn scripts_without_spaces_are_compared_too() {
        let scores = scores(
            "営業時間",
            &[
                candidate("営業時間は九時です。"),
                candidate("返品は三十日以内です。"),
            ],
        );
        assert!(scores[0] > scores[1], "{scores:?}");
    }

    #[test]
    fn nothing_to_compare_leaves_the_fused_order() {
        let mut better = candidate("");
        better.fused = 0.9;
        let scores = scores("?", &[candidate("a"), better]);
        assert!(scores[1] > scores[0]);
        assert!(super::scores("a", &[]).is_empty());
    }
}

//! Texts and vectors of nobody, always the same: clustered as those of a business are, words by
//! Zipf's law.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How many numbers a vector has: those of all-MiniLM-L6-v2.
pub(super) const DIMENSIONS: usize = 384;

/// Topics that vectors gather around.
const CLUSTERS: usize = 500;
/// How far they stray: two of a cluster have a similarity of about 0.6.
const SPREAD: f32 = 0.8;
/// Different words.
const WORDS: usize = 30_000;
/// Words of a chunk.
const CHUNK_WORDS: usize = 60;
/// Words of a question that its chunk holds.
const QUESTION_WORDS: usize = 6;

/// Makes chunks and questions.
pub(super) struct Corpus {
    centres: Vec<Vec<f32>>,
    words: Vec<String>,
    /// Up to which part of all words each word and the more frequent ones go.
    cumulative: Vec<f64>,
}

/// A chunk: its text and its vector.
pub(super) struct Made {
    pub(super) text: String,
    pub(super) vector: Vec<f32>,
}

impl Corpus {
    pub(super) fn new() -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let centres = (0..CLUSTERS).map(|_| unit(gaussians(&mut random)));
        let mut sum = 0.0;
        let cumulative: Vec<f64> = (1..=WORDS)
            .map(|rank| {
                sum += 1.0 / super::ranking::as_f64(rank);
                sum
            })
            .collect();
        Self {
            centres: centres.collect(),
            words: (0..WORDS).map(word).collect(),
            cumulative: cumulative.into_iter().map(|it| it / sum).collect(),
        }
    }

    /// The chunk of that number.
    pub(super) fn chunk(&self, number: u64) -> Made {
        let mut random = StdRng::seed_from_u64(number.wrapping_mul(2).wrapping_add(1000));
        let centre = random.random_range(0..CLUSTERS);
        let vector = near(&self.centres[centre], &mut random);
        let words: Vec<&str> = (0..CHUNK_WORDS).map(|_| self.word(&mut random)).collect();
        Made {
            text: words.join(" "),
            vector,
        }
    }

    /// A question whose answer the chunk of that number is, among others.
    pub(super) fn question(&self, number: u64) -> Made {
        let Made { text, vector } = self.chunk(number);
        let mut random = StdRng::seed_from_u64(number.wrapping_mul(2).wrapping_add(1001));
        let words: Vec<&str> = text.split(' ').collect();
        let asked = (0..QUESTION_WORDS).map(|_| words[random.random_range(0..words.len())]);
        Made {
            text: asked.collect::<Vec<_>>().join(" "),
            vector: near(&vector, &mut random),
        }
    }

    fn word(&self, random: &mut StdRng) -> &str {
        let part: f64 = random.random();
        let at = self.cumulative.partition_point(|up_to| *up_to < part);
        &self.words[at.min(WORDS - 1)]
    }
}

/// A vector that strays from another.
fn near(centre: &[f32], random: &mut StdRng) -> Vec<f32> {
    let strayed = gaussians(random).into_iter().zip(centre);
    // A gaussian vector has about the length 1 here.
    unit(strayed.map(|(by, from)| from + SPREAD * by).collect())
}

/// How alike two vectors of length 1 are.
pub(super) fn similarity(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}

/// About normally distributed numbers, whose vector has about the length 1.
fn gaussians(random: &mut StdRng) -> Vec<f32> {
    let scale = (3.0 / super::ranking::as_f32(DIMENSIONS)).sqrt();
    let number = |random: &mut StdRng| {
        let sum: f32 = (0..4).map(|_| random.random::<f32>() - 0.5).sum();
        sum * scale
    };
    (0..DIMENSIONS).map(|_| number(random)).collect()
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = similarity(&vector, &vector).sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

/// A word that no language has: its number in syllables.
fn word(number: usize) -> String {
    const BEGINS: &[u8] = b"bdfgklmnprstvz";
    const ENDS: &[u8] = b"aeiou";
    let mut rest = number + 70;
    let mut word = String::new();
    while rest > 0 {
        word.push(char::from(BEGINS[rest % BEGINS.len()]));
        rest /= BEGINS.len();
        word.push(char::from(ENDS[rest % ENDS.len()]));
        rest /= ENDS.len();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_always_the_same_and_of_length_one() {
        let (one, other) = (Corpus::new(), Corpus::new());
        let (first, again) = (one.chunk(7), other.chunk(7));
        assert_eq!((&first.text, &first.vector), (&again.text, &again.vector));
        assert!((similarity(&first.vector, &first.vector) - 1.0).abs() < 1e-5);
        assert_eq!(first.text.split(' ').count(), CHUNK_WORDS);
        assert_ne!(first.text, one.chunk(8).text);
        let question = one.question(7);
        let known: Vec<&str> = first.text.split(' ').collect();
        assert!(question.text.split(' ').all(|word| known.contains(&word)));
        let near = similarity(&question.vector, &first.vector);
        assert!((0.6..0.95).contains(&near), "{near}");
    }

    #[test]
    fn words_differ() {
        let words: std::collections::HashSet<String> = (0..WORDS).map(word).collect();
        assert_eq!(words.len(), WORDS);
    }
}

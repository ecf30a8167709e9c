//! Which terms a question asks for.

use std::collections::{BTreeMap, BTreeSet};

use store::keyword_index::QuestionLexeme;

use super::Language;
use crate::language::SIMPLE;

/// A term that a question asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) text: String,
    /// How often the question has it.
    pub(super) count: u32,
}

/// The terms of a question, each once, in the order of their bytes: what every configuration makes of
/// it, and the pairs of chars in `pairs`. A document is found by the lexemes of its own language.
///
/// The configuration for texts in no known language keeps every word. One that another language of
/// the tenant's passes over ("how", "do", "the") would be rare among its few documents, and put them
/// first: it is left out, unless nothing else remains.
pub(super) fn terms(lexemes: Vec<QuestionLexeme>, pairs: Vec<(String, u32)>) -> Vec<Term> {
    let mut kept: BTreeMap<String, Vec<i16>> = BTreeMap::new();
    let others = positions_by_language(&lexemes);
    let (simple, own): (Vec<_>, Vec<_>) = lexemes
        .into_iter()
        .partition(|lexeme| lexeme.text_config == SIMPLE);
    let simple: Vec<(String, Vec<i16>)> = named(simple).collect();
    let counts: Vec<(String, Vec<i16>)> = named(own).collect();
    let is_content = |positions: &[i16]| {
        let known = |other: &Vec<i16>| positions.iter().any(|position| other.contains(position));
        others.values().all(known)
    };
    let content: Vec<_> = simple
        .iter()
        .filter(|(_, positions)| is_content(positions))
        .cloned()
        .collect();
    let nothing_else = counts.is_empty() && content.is_empty() && pairs.is_empty();
    let simple = if nothing_else { simple } else { content };
    for (term, positions) in counts.into_iter().chain(simple) {
        let all = kept.entry(term).or_default();
        all.extend(positions);
        all.sort_unstable();
        all.dedup();
    }
    let mut terms: BTreeMap<String, u32> = pairs.into_iter().collect();
    for (term, positions) in kept {
        terms.insert(term, u32::try_from(positions.len()).unwrap_or(1).max(1));
    }
    terms
        .into_iter()
        .map(|(text, count)| Term { text, count })
        .collect()
}

/// What each configuration makes of the question, in the order of their names.
pub(super) fn languages(lexemes: &[QuestionLexeme]) -> Vec<Language> {
    let mut positions: BTreeMap<&str, BTreeSet<i16>> = BTreeMap::new();
    for lexeme in lexemes {
        let all = positions.entry(&lexeme.text_config).or_default();
        all.extend(&lexeme.positions);
    }
    let language = |(text_config, positions): (&str, BTreeSet<i16>)| Language {
        text_config: text_config.to_owned(),
        words: positions.len(),
    };
    positions.into_iter().map(language).collect()
}

/// The lexemes that there are, without their configuration.
fn named(lexemes: Vec<QuestionLexeme>) -> impl Iterator<Item = (String, Vec<i16>)> {
    lexemes
        .into_iter()
        .filter_map(|lexeme| Some((lexeme.lexeme?, lexeme.positions)))
}

/// Where each language but the simple one has a lexeme; one without any says nothing about words.
fn positions_by_language(lexemes: &[QuestionLexeme]) -> BTreeMap<String, Vec<i16>> {
    let mut positions: BTreeMap<String, Vec<i16>> = BTreeMap::new();
    for lexeme in lexemes.iter().filter(|lexeme| lexeme.text_config != SIMPLE) {
        let all = positions.entry(lexeme.text_config.clone()).or_default();
        all.extend(&lexeme.positions);
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexeme(config: &str, lexeme: &str, positions: &[i16]) -> QuestionLexeme {
        QuestionLexeme {
            text_config: config.to_owned(),
            lexeme: (!lexeme.is_empty()).then(|| lexeme.to_owned()),
            positions: positions.to_vec(),
        }
    }

    fn texts(lexemes: Vec<QuestionLexeme>) -> Vec<(String, u32)> {
        let found = terms(lexemes, Vec::new());
        found
            .into_iter()
            .map(|term| (term.text, term.count))
            .collect()
    }

    #[test]
    fn one_term_of_several_languages_counts_once() {
        let found = texts(vec![
            lexeme("english", "return", &[1, 4]),
            lexeme("german", "return", &[1, 4]),
            lexeme("german", "item", &[2]),
        ]);
        assert_eq!(found, [("item".to_owned(), 1), ("return".to_owned(), 2)]);
    }

    #[test]
    fn words_that_a_language_passes_over_do_not_find_texts_of_no_language() {
        let found = texts(vec![
            lexeme("english", "return", &[3]),
            lexeme("simple", "how", &[1]),
            lexeme("simple", "do", &[2]),
            lexeme("simple", "returning", &[3]),
        ]);
        assert_eq!(
            found,
            [("return".to_owned(), 1), ("returning".to_owned(), 1)]
        );
    }

    #[test]
    fn a_language_tells_how_many_words_count_in_it() {
        let found = languages(&[
            lexeme("english", "return", &[3, 7]),
            lexeme("german", "", &[]),
            lexeme("simple", "how", &[1]),
            lexeme("simple", "returning", &[3]),
        ]);
        let words: Vec<(&str, usize)> = found
            .iter()
            .map(|language| (language.text_config.as_str(), language.words))
            .collect();
        assert_eq!(words, [("english", 2), ("german", 0), ("simple", 2)]);
    }

    #[test]
    fn better_such_words_than_none() {
        let found = texts(vec![
            lexeme("english", "", &[]),
            lexeme("simple", "how", &[1]),
        ]);
        assert_eq!(found, [("how".to_owned(), 1)]);
    }
}

//! How far an embedding model reads a language.
//!
//! A model that was trained on English alone still gives every text a vector. In other languages
//! these follow the looks of words more than their meaning, and mixed into a good keyword ranking
//! they harm it. So the vector ranking gets its weight only as far as the model reaches.

use crate::keyword::Language;
use crate::language::SIMPLE;
use crate::terms;

/// Parts of the names of models that read English alone. Source: their model cards, 2026-11.
const ENGLISH_ONLY: &[&str] = &[
    "all-minilm",
    "all-mpnet",
    "all-distilroberta",
    "multi-qa-",
    "msmarco-",
    "paraphrase-minilm",
    "paraphrase-mpnet",
    "bge-small-en",
    "bge-base-en",
    "bge-large-en",
    "gte-small",
    "gte-base",
    "gte-large",
    "e5-small",
    "e5-base",
    "e5-large",
    "nomic-embed-text",
    "mxbai-embed-large",
    "snowflake-arctic-embed",
    "jina-embeddings-v2-small-en",
    "jina-embeddings-v2-base-en",
];

/// Parts of the names of their relatives that read many languages.
const MULTILINGUAL: &[&str] = &[
    "multilingual",
    "nomic-embed-text-v2",
    "snowflake-arctic-embed2",
    "arctic-embed-m-v2",
    "arctic-embed-l-v2",
];

const ENGLISH: &str = "english";

/// The embedder that compares words, not meaning: BM25 does that better, so it only helps out.
const WORDS_ONLY: &str = "hashed-ngrams";
/// What such an embedder's ranking deserves of its weight.
const WORDS_TRUST: f64 = 0.3;
/// What a model's ranking deserves in a language it does not read: a say among passages that the
/// words do not tell apart.
const UNREAD_TRUST: f64 = 0.02;

/// Which part of its weight the vector ranking deserves, from 0 to 1, for a question to documents in
/// these languages.
pub fn trust(model: &str, question: &str, languages: &[Language]) -> f64 {
    let model = model.to_lowercase();
    if model.starts_with(WORDS_ONLY) {
        return WORDS_TRUST;
    }
    let is_any = |names: &[&str]| names.iter().any(|name| model.contains(name));
    let reads_english_alone = is_any(ENGLISH_ONLY) && !is_any(MULTILINGUAL);
    if reads_english_alone && !is_english(question, languages) {
        return UNREAD_TRUST;
    }
    1.0
}

/// Whether a question to these documents is one in English: the language of theirs that passes over
/// most of its words, as those that count for nothing, is the one it is in. A text in no known
/// language is taken for English.
fn is_english(question: &str, languages: &[Language]) -> bool {
    let is_plain =
        |language: &Language| language.text_config == ENGLISH || language.text_config == SIMPLE;
    let words = |plain: bool| {
        let of_kind = languages
            .iter()
            .filter(|language| is_plain(language) == plain);
        of_kind.map(|language| language.words).min()
    };
    is_latin(question)
        && match (words(true), words(false)) {
            (Some(plain), Some(other)) => plain <= other,
            (_, other) => other.is_none(),
        }
}

/// Whether most letters of a text are Latin ones.
fn is_latin(text: &str) -> bool {
    let letters = text.chars().filter(|char| char.is_alphabetic());
    let (mut latin, mut others) = (0_usize, 0_usize);
    for letter in letters {
        // Latin with its extensions, up to the phonetic ones, and the Vietnamese letters.
        let is_latin = matches!(letter, '\0'..='\u{2af}' | '\u{1e00}'..='\u{1eff}');
        if is_latin && !terms::has_no_spaces(letter) {
            latin += 1;
        } else {
            others += 1;
        }
    }
    latin >= others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(model: &str, question: &str, languages: &[(&str, usize)]) -> bool {
        let languages: Vec<Language> = languages
            .iter()
            .map(|&(text_config, words)| Language {
                text_config: text_config.to_owned(),
                words,
            })
            .collect();
        trust(model, question, &languages) > 0.5
    }

    #[test]
    fn an_english_model_is_trusted_with_english_alone() {
        const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";
        for (question, languages, expected) in [
            ("How do I return an item?", &[("english", 2)][..], true),
            (
                "How do I return an item?",
                &[("english", 2), ("simple", 6)],
                true,
            ),
            (
                "How do I return an item?",
                &[("english", 2), ("german", 5)],
                true,
            ),
            (
                "How do I return an item?",
                &[("german", 5), ("simple", 6)],
                false,
            ),
            (
                "Wie kann ich ihn zurückgeben?",
                &[("english", 5), ("german", 1)],
                false,
            ),
            ("Wie kann ich ihn zurückgeben?", &[("german", 1)], false),
            ("退货期限是多久", &[("simple", 0)], false),
            ("Как вернуть товар?", &[("english", 3)], false),
            ("42?", &[("english", 1), ("german", 1)], true),
            ("How do I return an item?", &[], true),
        ] {
            assert_eq!(
                trusts(MINILM, question, languages),
                expected,
                "{question} {languages:?}"
            );
        }
    }

    #[test]
    fn models_of_many_languages_are_trusted_and_word_hashes_are_not() {
        for (model, expected) in [
            ("text-embedding-3-small", true),
            ("paraphrase-multilingual-MiniLM-L12-v2", true),
            ("intfloat/multilingual-e5-base", true),
            ("bge-m3", true),
            ("nomic-embed-text", false),
            ("intfloat/e5-base-v2", false),
            ("hashed-ngrams-1", false),
        ] {
            assert_eq!(
                trusts(model, "Как вернуть товар?", &[("russian", 2)]),
                expected,
                "{model}"
            );
        }
    }
}

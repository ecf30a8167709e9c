//! How far an embedding model reads a language.
//!
//! A model that was trained on English alone still gives every text a vector. In other languages
//! these follow the looks of words more than their meaning, and mixed into a good keyword ranking
//! they harm it. So the vector ranking gets its weight only as far as the model reaches.

use whatlang::{Detector, Lang};

use crate::language::{self, SIMPLE};
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

/// The embedder that compares words, not meaning: BM25 does that better, so it only helps out.
const WORDS_ONLY: &str = "hashed-ngrams";
/// What such an embedder's ranking deserves of its weight.
const WORDS_TRUST: f64 = 0.3;

/// Which part of its weight the vector ranking deserves, from 0 to 1, for a question to documents
/// with these text search configurations.
pub fn trust(model: &str, question: &str, text_configs: &[String]) -> f64 {
    let model = model.to_lowercase();
    if model.starts_with(WORDS_ONLY) {
        return WORDS_TRUST;
    }
    let is_any = |names: &[&str]| names.iter().any(|name| model.contains(name));
    let reads_english_alone = is_any(ENGLISH_ONLY) && !is_any(MULTILINGUAL);
    if reads_english_alone && !is_english(question, text_configs) {
        return 0.0;
    }
    1.0
}

/// Whether a question to these documents is one in English. A short question alone does not tell its
/// language, so it is taken to be in one of theirs.
fn is_english(question: &str, text_configs: &[String]) -> bool {
    if !is_latin(question) {
        return false;
    }
    let is_plain = |config: &String| config == "english" || config == SIMPLE;
    if text_configs.iter().all(is_plain) {
        return true;
    }
    if !text_configs.iter().any(is_plain) {
        return false;
    }
    let mut languages: Vec<Lang> =
        text_configs.iter().filter_map(|config| language::of_config(config)).collect();
    languages.push(Lang::Eng);
    let detected = Detector::with_allowlist(languages).detect_lang(question);
    detected.is_none_or(|found| found == Lang::Eng)
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

    fn trusts(model: &str, question: &str, configs: &[&str]) -> bool {
        let configs: Vec<String> = configs.iter().map(|&config| config.to_owned()).collect();
        trust(model, question, &configs) > 0.5
    }

    #[test]
    fn an_english_model_is_trusted_with_english_alone() {
        const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";
        for (question, configs, expected) in [
            ("How do I return an item?", &["english"][..], true),
            ("How do I return an item?", &["english", "simple"], true),
            ("How do I return an item?", &["english", "german"], true),
            ("Wie lange kann ich einen Artikel zurückgeben?", &["english", "german"], false),
            ("Wie lange kann ich ihn zurückgeben?", &["german"], false),
            ("退货期限是多久", &["simple"], false),
            ("Как вернуть товар?", &["english"], false),
            ("42?", &["english"], true),
        ] {
            assert_eq!(trusts(MINILM, question, configs), expected, "{question} {configs:?}");
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
            assert_eq!(trusts(model, "Как вернуть товар?", &["russian"]), expected, "{model}");
        }
    }
}

use std::ops::ControlFlow;
use std::sync::LazyLock;

use bpe_openai::appendable_encoder::AppendableEncoder;
use serde::{Deserialize, Serialize};

/// Tenths of a token that a char of a word weighs.
const ASCII_LETTER: usize = 2;
const OTHER_LETTER: usize = 4;
const DIGIT: usize = 4;

/// Counts the tokens that a model sees in a text.
pub trait TokenCounter: Send + Sync {
    /// The tokens of `text`.
    fn count(&self, text: &str) -> usize;

    /// Walks over the chars of `text` in their order, until `visit` breaks off. Counts up to a
    /// place are those of [`Self::count`] where a word ends there, and near them elsewhere.
    fn walk(&self, text: &str, visit: &mut dyn FnMut(Step) -> ControlFlow<()>);
}

/// A char of a text that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it starts.
    pub byte: usize,
    /// The char.
    pub char: char,
    /// The tokens of the text before it.
    pub before: usize,
    /// The tokens of the text up to its end.
    pub with: usize,
}

/// What counts the tokens: the model's own vocabulary where it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// [`Estimate`].
    Estimate,
    /// `cl100k_base`, the vocabulary of OpenAI's embedding models and of its older chat models.
    Cl100k,
}

impl Tokenizer {
    /// The one of an embedding model, by the name under which its vectors are kept.
    pub fn of_embedding_model(model: &str) -> Self {
        // Source: <https://platform.openai.com/docs/guides/embeddings>, 2026-11: all models of the
        // second and third generation are counted by this vocabulary.
        if model.contains("text-embedding-3-") || model.contains("text-embedding-ada-002") {
            Self::Cl100k
        } else {
            Self::Estimate
        }
    }

    /// The one of a model that answers, by its provider's name of it.
    pub fn of_chat_model(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        // Source: <https://github.com/openai/tiktoken>, `model.py`, 2026-11. Those of the same start
        // that came later are counted by another vocabulary, which the estimate is above.
        let is_later = ["gpt-4o", "gpt-4.1", "gpt-4.5"]
            .iter()
            .any(|later| name.starts_with(later));
        if !is_later && (name.starts_with("gpt-4") || name.starts_with("gpt-3.5")) {
            Self::Cl100k
        } else {
            Self::Estimate
        }
    }

    /// What counts by it. The vocabulary is read once in a process, which takes a moment.
    pub fn counter(self) -> &'static dyn TokenCounter {
        static CL100K: LazyLock<BytePairs> = LazyLock::new(|| BytePairs(bpe_openai::cl100k_base()));
        match self {
            Self::Estimate => &Estimate,
            Self::Cl100k => &*CL100K,
        }
    }
}

/// Counts by a vocabulary of byte pairs, as `tiktoken` does.
struct BytePairs(&'static bpe_openai::Tokenizer);

impl TokenCounter for BytePairs {
    fn count(&self, text: &str) -> usize {
        self.0.count(text)
    }

    fn walk(&self, text: &str, visit: &mut dyn FnMut(Step) -> ControlFlow<()>) {
        let (mut start, mut tokens) = (0, 0);
        for piece in self.0.split(text) {
            let mut encoder = AppendableEncoder::new(&self.0.bpe);
            for (at, char) in piece.char_indices() {
                let before = tokens + encoder.token_count();
                encoder.extend(char.encode_utf8(&mut [0; 4]).bytes());
                let step = Step {
                    byte: start + at,
                    char,
                    before,
                    with: tokens + encoder.token_count(),
                };
                if visit(step).is_break() {
                    return;
                }
            }
            start += piece.len();
            tokens += encoder.token_count();
        }
    }
}

/// Estimates tokens without a vocabulary.
///
/// A word weighs a token per five ASCII letters, and two per five letters of other alphabets and
/// of digits, rounded up; a char of a script without spaces weighs one, and so does a mark; a run
/// of the same mark one per four. White space weighs nothing, anything else at least one. Byte
/// pair encodings (`o200k`) count about a tenth less on English and German prose, so what fits by
/// this estimate fits the model.
pub struct Estimate;

impl TokenCounter for Estimate {
    fn count(&self, text: &str) -> usize {
        let mut counter = Counter::default();
        text.chars().for_each(|char| counter.push(char));
        counter.tokens()
    }

    fn walk(&self, text: &str, visit: &mut dyn FnMut(Step) -> ControlFlow<()>) {
        let mut counter = Counter::default();
        for (byte, char) in text.char_indices() {
            let before = counter.tokens();
            counter.push(char);
            let step = Step {
                byte,
                char,
                before,
                with: counter.tokens(),
            };
            if visit(step).is_break() {
                return;
            }
        }
    }
}

/// The estimate of a text that grows by one char at a time; it never shrinks.
#[derive(Default)]
struct Counter {
    whole: usize,
    word_tenths: usize,
    mark: Option<(char, usize)>,
}

impl Counter {
    fn push(&mut self, char: char) {
        let tenths = match char {
            _ if crate::terms::has_no_spaces(char) => 0,
            'a'..='z' | 'A'..='Z' => ASCII_LETTER,
            '0'..='9' => DIGIT,
            _ if char.is_alphanumeric() => OTHER_LETTER,
            _ => 0,
        };
        if tenths > 0 {
            self.word_tenths += tenths;
            self.mark = None;
            return;
        }
        self.whole = self.tokens();
        self.word_tenths = 0;
        if char.is_whitespace() {
            self.mark = None;
            return;
        }
        let length = match self.mark {
            Some((mark, length)) if mark == char && !char.is_alphanumeric() => length + 1,
            _ => 1,
        };
        self.mark = Some((char, length));
        if length % 4 == 1 {
            self.whole += 1;
        }
    }

    fn tokens(&self) -> usize {
        self.whole + self.word_tenths.div_ceil(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_weigh_by_their_length_and_script() {
        for (text, tokens) in [
            ("", 0),
            (" \n\t", 0),
            ("The parcel arrives in two days.", 9),
            ("Geschwindigkeitsbegrenzung", 6),
            ("Доставка", 4),
            ("営業時間", 4),
            ("2026-11-23", 6),
            ("----------------", 4),
            ("!?", 2),
        ] {
            assert_eq!(Estimate.count(text), tokens, "{text}");
        }
    }

    #[test]
    fn a_vocabulary_counts_as_its_model_does() {
        // Counts of tiktoken's `cl100k_base`.
        for (text, tokens) in [
            ("", 0),
            ("hello world", 2),
            ("The parcel arrives in two days.", 7),
            ("antidisestablishmentarianism", 6),
            ("お誕生日おめでとう", 9),
            ("2 + 2 = 4", 7),
        ] {
            assert_eq!(Tokenizer::Cl100k.counter().count(text), tokens, "{text}");
        }
    }

    #[test]
    fn walking_comes_to_what_counting_says() {
        for tokenizer in [Tokenizer::Estimate, Tokenizer::Cl100k] {
            let counter = tokenizer.counter();
            let text = "Größe: 12,50 €\n\n営業時間は午前九時。  It's fine, isn't it? 🎉 ".repeat(3);
            let (mut chars, mut last) = (String::new(), 0);
            counter.walk(&text, &mut |step| {
                assert_eq!(step.byte, chars.len());
                assert!(step.before <= step.with + 4);
                chars.push(step.char);
                last = step.with;
                ControlFlow::Continue(())
            });
            assert_eq!(chars, text);
            assert_eq!(last, counter.count(&text));
        }
    }

    #[test]
    fn models_have_their_own_tokenizer() {
        for (model, expected) in [
            ("text-embedding-3-small:1536", Tokenizer::Cl100k),
            ("openai/text-embedding-3-large", Tokenizer::Cl100k),
            ("all-MiniLM-L6-v2", Tokenizer::Estimate),
        ] {
            assert_eq!(Tokenizer::of_embedding_model(model), expected, "{model}");
        }
        for (model, expected) in [
            ("gpt-4", Tokenizer::Cl100k),
            ("openai/gpt-4-turbo", Tokenizer::Cl100k),
            ("gpt-3.5-turbo-0125", Tokenizer::Cl100k),
            ("gpt-4o-mini", Tokenizer::Estimate),
            ("gpt-4.1-nano", Tokenizer::Estimate),
            ("gpt-6-luna", Tokenizer::Estimate),
            ("claude-haiku-5-5", Tokenizer::Estimate),
        ] {
            assert_eq!(Tokenizer::of_chat_model(model), expected, "{model}");
        }
    }
}

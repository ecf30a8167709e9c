use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use tokenizers::Tokenizer;

use super::{Step, TokenCounter};

/// Bytes of a text that are counted together, up to the next white space: a tokenizer reads each
/// word by itself.
const WINDOW_BYTES: usize = 1024;
/// The most bytes of one window, where no white space comes.
const LONGEST_WINDOW_BYTES: usize = 4096;

/// Counts by a model's own `tokenizer.json`, without the marks that the model puts
/// around a text.
pub struct ModelTokenizer(Tokenizer);

impl ModelTokenizer {
    /// Reads the file.
    ///
    /// # Errors
    /// What the system says of the file; `InvalidData` if it describes no tokenizer.
    pub fn read(path: &Path) -> io::Result<Self> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut tokenizer = Tokenizer::from_bytes(std::fs::read(path)?).map_err(invalid)?;
        tokenizer.with_truncation(None).map_err(invalid)?;
        tokenizer.with_padding(None);
        Ok(Self(tokenizer))
    }

    /// Where the tokens of a window begin, in bytes, in order. What the tokenizer cannot read counts
    /// as one token.
    fn starts(&self, window: &str) -> Vec<usize> {
        match self.0.encode(window, false) {
            Ok(encoding) => {
                let offsets = encoding.get_offsets().iter();
                offsets.map(|(start, _)| *start).collect()
            }
            Err(_) => vec![0],
        }
    }
}

impl TokenCounter for ModelTokenizer {
    fn count(&self, text: &str) -> usize {
        windows(text).map(|window| self.starts(window).len()).sum()
    }

    fn walk(&self, text: &str, visit: &mut dyn FnMut(Step) -> ControlFlow<()>) {
        let (mut begin, mut tokens) = (0, 0);
        for window in windows(text) {
            let starts = self.starts(window);
            let begun = |end: usize| tokens + starts.partition_point(|start| *start < end);
            for (at, char) in window.char_indices() {
                let end = at + char.len_utf8();
                let step = Step {
                    byte: begin + at,
                    char,
                    before: begun(at),
                    with: begun(end),
                };
                if visit(step).is_break() {
                    return;
                }
            }
            begin += window.len();
            tokens += starts.len();
        }
    }
}

/// A text in windows that end with white space, where there is any.
fn windows(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (window, after) = rest.split_at(end_of_window(rest));
        rest = after;
        Some(window)
    })
}

fn end_of_window(text: &str) -> usize {
    let first = text.floor_char_boundary(WINDOW_BYTES);
    if first == text.len() {
        return first;
    }
    let longest = text.floor_char_boundary(LONGEST_WINDOW_BYTES);
    let space = text[first..longest]
        .char_indices()
        .find(|(_, char)| char.is_whitespace());
    space.map_or(longest, |(at, char)| first + at + char.len_utf8())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A tokenizer of a dozen words, as those of BERT are.
    fn tokenizer() -> ModelTokenizer {
        let words = [
            "[UNK]", "the", "parcel", "arrive", "##s", "by", "bi", "##cycle", ".", ",", "-",
            "\u{55b6}", "\u{696d}",
        ];
        let vocab: serde_json::Map<String, serde_json::Value> = words
            .iter()
            .enumerate()
            .map(|(id, word)| ((*word).to_owned(), id.into()))
            .collect();
        let file = serde_json::json!({
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
            "padding": null,
            "added_tokens": [],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                           "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": null,
            "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": vocab},
        });
        let mut kept = tempfile::NamedTempFile::new().unwrap();
        kept.write_all(file.to_string().as_bytes()).unwrap();
        ModelTokenizer::read(kept.path()).unwrap()
    }

    #[test]
    fn a_models_tokenizer_counts_the_pieces_of_words() {
        let tokenizer = tokenizer();
        for (text, tokens) in [
            ("", 0),
            (" \n ", 0),
            ("The parcel arrives by bicycle.", 8),
            ("THE PARCEL", 2),
            // What it does not know is one token for each word.
            ("Quarterly reports, by bicycle", 6),
            ("\u{55b6}\u{696d}\u{55b6}", 3),
        ] {
            assert_eq!(tokenizer.count(text), tokens, "{text}");
        }
    }

    #[test]
    fn long_texts_count_as_the_sum_of_their_words_and_walking_comes_to_the_same() {
        let tokenizer = tokenizer();
        let (sentence, times) = ("The parcel arrives by bicycle.\n", 500);
        let text = sentence.repeat(times);
        assert_eq!(tokenizer.count(&text), 8 * times);
        let endless = "bicycle".repeat(2000);
        for text in [text, endless, "\u{55b6}\u{696d}".repeat(3000)] {
            let (mut chars, mut last) = (String::new(), 0);
            tokenizer.walk(&text, &mut |step| {
                assert_eq!(step.byte, chars.len());
                assert!(last <= step.before && step.before <= step.with);
                chars.push(step.char);
                last = step.with;
                ControlFlow::Continue(())
            });
            assert_eq!(chars, text);
            assert_eq!(last, tokenizer.count(&text));
        }
    }

    #[test]
    fn what_is_no_tokenizer_is_refused() {
        let missing = ModelTokenizer::read(Path::new("/nonexistent/tokenizer.json"));
        assert_eq!(missing.err().unwrap().kind(), io::ErrorKind::NotFound);
        let mut kept = tempfile::NamedTempFile::new().unwrap();
        kept.write_all(b"{}").unwrap();
        let broken = ModelTokenizer::read(kept.path());
        assert_eq!(broken.err().unwrap().kind(), io::ErrorKind::InvalidData);
    }
}

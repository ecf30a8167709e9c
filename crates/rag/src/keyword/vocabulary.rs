use std::collections::{HashMap, HashSet};
use std::ops::Range;

use db::TenantTx;
use store::keyword_index::{self, Lexemes};

/// How many words are remembered: a large vocabulary's, some megabytes.
const WORDS: usize = 50_000;
/// The most that one word counts in a text, as in a tsvector.
const MOST: u32 = 255;
/// A word that is longer is left to the server, which passes over those of 2 KB.
const WORD_BYTES: usize = 500;

/// The lexemes of words in one text search configuration, each asked of the server once.
///
/// A text is cut at white space, which the server's parser never takes into a word; all else about a
/// word is for the server to say. To take texts apart whole costs it eight times as much.
#[derive(Debug)]
pub struct Vocabulary {
    text_config: String,
    words: HashMap<String, Lexemes>,
}

/// What stands between two white spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Piece<'t> {
    /// Digits alone: their own lexeme in every configuration that Postgres brings.
    Digits(&'t str),
    /// Anything else; marks around a plain word are taken off.
    Word(&'t str),
}

impl Vocabulary {
    /// Of a text search configuration, with no word yet.
    pub fn new(text_config: impl Into<String>) -> Self {
        Self {
            text_config: text_config.into(),
            words: HashMap::new(),
        }
    }

    /// The text search configuration.
    pub fn text_config(&self) -> &str {
        &self.text_config
    }

    /// The lexemes of each text, in the order of the texts: those of `to_tsvector`, in no order.
    ///
    /// # Errors
    /// Those of the database, among them a configuration that it does not know.
    pub async fn lexemes(
        &mut self,
        tx: &mut TenantTx,
        texts: &[String],
    ) -> db::Result<Vec<Lexemes>> {
        let counted: Vec<HashMap<Piece<'_>, u32>> = texts.iter().map(|text| count(text)).collect();
        self.learn(tx, &counted).await?;
        let known = &self.words;
        let lexemes = counted.iter().map(|pieces| sum(pieces, known)).collect();
        // Whole texts are met once.
        self.words.retain(|word, _| word.len() <= WORD_BYTES);
        Ok(lexemes)
    }

    /// Asks for the words that are not known yet.
    async fn learn(
        &mut self,
        tx: &mut TenantTx,
        counted: &[HashMap<Piece<'_>, u32>],
    ) -> db::Result<()> {
        if self.words.len() > WORDS {
            self.words.clear();
        }
        let pieces = counted.iter().flat_map(HashMap::keys);
        let words = pieces.filter_map(|piece| match piece {
            Piece::Word(word) if !self.words.contains_key(*word) => Some(*word),
            _ => None,
        });
        let unknown: HashSet<&str> = words.collect();
        let unknown: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let lexemes = keyword_index::list_lexemes(tx, &self.text_config, &unknown).await?;
        self.words.extend(unknown.into_iter().zip(lexemes));
        Ok(())
    }
}

/// The pieces of a text with how often they stand there.
fn count(text: &str) -> HashMap<Piece<'_>, u32> {
    let mut counted = HashMap::new();
    // A tag may reach over white space.
    if text.contains('<') {
        counted.insert(Piece::Word(text), 1);
        return counted;
    }
    for piece in text.split_ascii_whitespace() {
        let start = piece.as_ptr().addr() - text.as_ptr().addr();
        let piece = Piece::of(text, start..start + piece.len());
        *counted.entry(piece).or_default() += 1;
    }
    counted
}

fn sum(pieces: &HashMap<Piece<'_>, u32>, known: &HashMap<String, Lexemes>) -> Lexemes {
    let mut lexemes: HashMap<&str, u32> = HashMap::with_capacity(pieces.len());
    for (piece, count) in pieces {
        match piece {
            Piece::Digits(digits) => *lexemes.entry(digits).or_default() += count,
            Piece::Word(word) => {
                for (lexeme, in_word) in known.get(*word).into_iter().flatten() {
                    *lexemes.entry(lexeme).or_default() += count * in_word;
                }
            }
        }
    }
    lexemes
        .into_iter()
        .map(|(lexeme, count)| (lexeme.to_owned(), count.min(MOST)))
        .collect()
}

impl<'t> Piece<'t> {
    /// What stands at `range` of a text. Where that is no plain word, the white space around it
    /// belongs to it: `~/a` is another word at the start of a text than behind a space.
    fn of(text: &'t str, range: Range<usize>) -> Self {
        let piece = &text[range.clone()];
        let core = piece.trim_start_matches(['(', '[', '"', '\'']);
        let core = core.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'']);
        let is_short = core.len() <= WORD_BYTES;
        if is_short && !core.is_empty() && core.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Digits(core)
        } else if is_short && core.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            Self::Word(core)
        } else {
            let end = text.len().min(range.end + 1);
            Self::Word(&text[range.start.saturating_sub(1)..end])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_around_plain_words_are_taken_off() {
        for (piece, plain) in [
            ("word", Piece::Word("word")),
            ("(\"Word\",", Piece::Word("Word")),
            ("12:", Piece::Digits("12")),
            ("[007].", Piece::Digits("007")),
            ("?!", Piece::Word("")),
            ("-5", Piece::Word("-5")),
            ("1.5,", Piece::Word("1.5,")),
            ("a.example", Piece::Word("a.example")),
            ("don't", Piece::Word("don't")),
            ("A4", Piece::Word("A4")),
            ("Größe", Piece::Word("Größe")),
        ] {
            assert_eq!(Piece::of(piece, 0..piece.len()), plain, "{piece}");
        }
    }

    #[test]
    fn what_is_no_plain_word_is_asked_with_the_space_around_it() {
        let text = "~/a ~/b\n~/c";
        let counted = count(text);
        for piece in ["~/a ", " ~/b\n", "\n~/c"] {
            assert_eq!(counted.get(&Piece::Word(piece)), Some(&1), "{piece:?}");
        }
    }

    #[test]
    fn a_text_with_a_tag_stays_whole() {
        let text = "a <b class=\"x y\"> c";
        let counted = count(text);
        assert_eq!(counted.len(), 1);
        assert_eq!(counted.get(&Piece::Word(text)), Some(&1));
    }
}

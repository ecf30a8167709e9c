//! Words as the builtin answerer and the hashed embedder compare them.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::language::Language;

pub(crate) use super::vocabulary::STOPWORDS;
use super::vocabulary::{CJK_STOPS, FAINT, KIN, SIGNS};

/// A word that carries meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    /// Lower case, without accents and endings; of Chinese and Japanese a pair of characters.
    pub(crate) stem: String,
}

static ALL_STOPWORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lists: &[(Language, &'static str)] = STOPWORDS;
    lists
        .iter()
        .flat_map(|(_, list)| list.split_whitespace())
        .collect()
});

static FAINT_STEMS: LazyLock<HashSet<String>> =
    LazyLock::new(|| FAINT.split_whitespace().map(stem).collect());

static KIN_OF: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let groups = KIN.iter().enumerate();
    groups
        .flat_map(|(group, list)| list.split_whitespace().map(move |word| (stem(word), group)))
        .collect()
});

impl Word {
    pub(crate) fn is_cjk_char(c: char) -> bool {
        matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}')
    }

    /// How much the word says in a question, 0 to 1: `information` says little.
    pub(crate) fn weight(&self) -> f32 {
        if FAINT_STEMS.contains(&self.stem) {
            0.3
        } else {
            1.0
        }
    }

    /// How well `other` stands for this word, 0 to 1.
    pub(crate) fn likeness(&self, other: &Self) -> f32 {
        if self.stem == other.stem {
            return 1.0;
        }
        let (short, long) = if self.stem.len() <= other.stem.len() {
            (&self.stem, &other.stem)
        } else {
            (&other.stem, &self.stem)
        };
        let is_word = short.chars().all(char::is_alphabetic);
        if is_word
            && short.len() >= 4
            && long.starts_with(short.as_str())
            && long.len() - short.len() <= 4
        {
            return 0.8;
        }
        let kin = |word: &Self| KIN_OF.get(&word.stem);
        if kin(self).is_some() && kin(self) == kin(other) {
            return 0.7;
        }
        // German compounds: `Rückgabe` in `Rückgabefrist`, `Frist` at its end.
        if is_word
            && short.len() >= 5
            && (long.starts_with(short.as_str()) || long.ends_with(short.as_str()))
        {
            return 0.7;
        }
        0.0
    }

    /// Whether a sign in `text` stands for the word, as `€` does for a price.
    pub(crate) fn is_signed_in(&self, text: &str) -> bool {
        let group = KIN_OF.get(&self.stem);
        let signs = SIGNS.iter().filter(|(of, _)| Some(of) == group);
        signs
            .flat_map(|(_, signs)| *signs)
            .any(|sign| text.contains(sign))
    }
}

/// The words of `text` that carry meaning, in order, whatever the language.
pub(crate) fn content_of_any_language(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for token in tokens(text) {
        if token.chars().next().is_some_and(Word::is_cjk_char) {
            words.extend(pairs(&token));
        } else if !ALL_STOPWORDS.contains(token.as_str())
            && (token.chars().nth(1).is_some() || token.chars().all(char::is_numeric))
        {
            words.push(Word { stem: stem(&token) });
        }
    }
    words
}

/// Every word of `text` in lower case and without accents, nothing else taken off.
pub(crate) fn folded(text: &str) -> Vec<String> {
    tokens(text)
}

/// Runs of letters and digits, and runs of Chinese or Japanese characters.
fn tokens(text: &str) -> Vec<String> {
    if text.is_ascii() {
        ascii_tokens(text)
    } else {
        any_tokens(text)
    }
}

/// The same for texts of ASCII alone, several times as fast.
fn ascii_tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        let byte = at.and_then(|at| bytes.get(at));
        byte.is_some_and(u8::is_ascii_digit)
    };
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, byte) in bytes.iter().enumerate() {
        let between_digits = matches!(byte, b'.' | b',' | b':')
            && is_digit(at.checked_sub(1))
            && is_digit(Some(at + 1));
        if byte.is_ascii_alphanumeric() || between_digits {
            start.get_or_insert(at);
        } else if let Some(start) = start.take() {
            tokens.push(text[start..at].to_ascii_lowercase());
        }
    }
    tokens.extend(start.map(|start| text[start..].to_ascii_lowercase()));
    tokens
}

fn any_tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut token = String::new();
    let mut chars = text.chars().flat_map(char::to_lowercase).peekable();
    let mut last = ' ';
    while let Some(c) = chars.next() {
        let between_digits = matches!(c, '.' | ',' | ':')
            && last.is_ascii_digit()
            && chars.peek().is_some_and(char::is_ascii_digit);
        let changes_script = c.is_alphanumeric()
            && last.is_alphanumeric()
            && Word::is_cjk_char(c) != Word::is_cjk_char(last);
        if changes_script {
            tokens.push(std::mem::take(&mut token));
        }
        if c.is_alphanumeric() || between_digits {
            fold(c, &mut token);
        } else if !token.is_empty() && !is_mark(c) {
            tokens.push(std::mem::take(&mut token));
        }
        if !is_mark(c) {
            last = c;
        }
    }
    tokens.push(token);
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// Accents that stand apart from their letter, and the soft hyphen.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}')
}

fn fold(c: char, into: &mut String) {
    into.push_str(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'è'..='ë' | 'ē' | 'ę' | 'ě' => "e",
        'ì'..='ï' | 'ī' | 'ı' => "i",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'ù'..='ü' | 'ū' | 'ű' | 'ů' => "u",
        'ý' | 'ÿ' => "y",
        'š' | 'ś' | 'ş' => "s",
        'ž' | 'ź' | 'ż' => "z",
        'ł' => "l",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        other => return into.push(other),
    });
}

/// The pairs of neighbouring characters of a run, cut at words that carry no meaning.
fn pairs(run: &str) -> Vec<Word> {
    let mut pieces = vec![run.to_owned()];
    for stop in CJK_STOPS {
        pieces = pieces
            .iter()
            .flat_map(|piece| piece.split(stop))
            .map(str::to_owned)
            .collect();
    }
    let mut words = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let chars: Vec<char> = piece.chars().collect();
        if chars.len() == 1 {
            words.push(Word {
                stem: piece.clone(),
            });
        }
        words.extend(chars.windows(2).map(|pair| Word {
            stem: pair.iter().collect(),
        }));
    }
    words
}

/// Takes off the commonest endings of the languages of Europe; both sides lose the same ones.
fn stem(word: &str) -> String {
    let mut stem = word.to_owned();
    if !word.chars().all(char::is_alphabetic) {
        return stem;
    }
    if stem.len() > 4 && stem.ends_with("ies") {
        stem.truncate(stem.len() - 3);
        stem.push('y');
    } else if stem.len() > 4
        && stem.ends_with('s')
        && !stem.ends_with("ss")
        && !stem.ends_with("us")
    {
        stem.truncate(stem.len() - 1);
    }
    for (ending, kept) in [
        ("ing", 3),
        ("ed", 3),
        ("y", 4),
        ("e", 3),
        ("er", 4),
        ("en", 4),
        ("em", 5),
        ("a", 4),
        ("o", 4),
    ] {
        if stem.ends_with(ending) && stem.len() - ending.len() >= kept && stem.is_ascii() {
            stem.truncate(stem.len() - ending.len());
        }
    }
    let bytes = stem.as_bytes();
    if let [.., before, last] = bytes
        && before == last
        && stem.len() > 3
        && !b"aeiouls".contains(last)
    {
        stem.truncate(stem.len() - 1);
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        content_of_any_language(text)
            .into_iter()
            .map(|word| word.stem)
            .collect()
    }

    #[test]
    fn forms_of_a_word_share_their_stem() {
        for forms in [
            "return returns returned returning",
            "ship ships shipped shipping",
            "deliver delivery deliveries delivers",
            "price prices pricing",
            "policy policies",
            "refund refunded refunds",
            "Öffnung Öffnungen",
            "livraison livraisons",
        ] {
            let mut stems = stems(forms);
            stems.dedup();
            assert_eq!(stems.len(), 1, "{stems:?}");
        }
    }

    #[test]
    fn ascii_is_taken_apart_as_any_text_is() {
        for text in [
            "",
            "Rule 12: item 3.50 is due by 17:30, or 4,5.",
            "a.b 1.b a.1 1..2 1.2.3 .5 5. x-y_z",
            "ENDS IN A WORD",
            "(\"quoted\") it's\tnew\nline 100%",
        ] {
            assert_eq!(ascii_tokens(text), any_tokens(text), "{text}");
        }
    }

    #[test]
    fn numbers_stay_whole_and_accents_go() {
        assert_eq!(stems("4.90 € à 17:30, José"), ["4.90", "17:30", "jos"]);
        assert_eq!(folded("l'été cafe\u{301}"), ["l", "ete", "cafe"]);
    }

    #[test]
    fn chinese_becomes_pairs_without_what_carries_no_meaning() {
        assert_eq!(stems("退货期限是多久？"), ["退货", "货期", "期限"]);
    }

    #[test]
    fn related_words_stand_for_each_other() {
        let likeness = |a: &str, b: &str| {
            content_of_any_language(a)[0].likeness(&content_of_any_language(b)[0])
        };
        assert!(likeness("shipping", "delivery") > 0.5);
        assert!(likeness("Versand", "shipping") > 0.5);
        assert!(likeness("Rückgabe", "Rückgabefrist") > 0.5);
        assert!(likeness("kostet", "Kosten") > 0.5);
        assert!(likeness("president", "France") < 0.1);
    }
}

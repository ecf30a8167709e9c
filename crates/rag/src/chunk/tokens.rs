/// Tenths of a token that a char of a word weighs.
const ASCII_LETTER: usize = 2;
const OTHER_LETTER: usize = 4;
const DIGIT: usize = 4;

/// Estimates how many tokens a model sees in `text`, without a vocabulary.
///
/// A word weighs a token per five ASCII letters, and two per five letters of other alphabets and
/// of digits, rounded up; a char of a script without spaces weighs one, and so does a mark; a run
/// of the same mark one per four. White space weighs nothing, anything else at least one. Byte
/// pair encodings (`o200k`) count about a tenth less on English and German prose, so what fits by
/// this estimate fits the model.
pub fn estimate(text: &str) -> usize {
    let mut counter = Counter::default();
    text.chars().for_each(|char| counter.push(char));
    counter.tokens()
}

/// The estimate of a text that grows by one char at a time; it never shrinks.
#[derive(Default)]
pub(super) struct Counter {
    whole: usize,
    word_tenths: usize,
    mark: Option<(char, usize)>,
}

impl Counter {
    pub(super) fn push(&mut self, char: char) {
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

    pub(super) fn tokens(&self) -> usize {
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
            assert_eq!(estimate(text), tokens, "{text}");
        }
    }
}

use unicode_segmentation::UnicodeSegmentation;

/// Splits `text` into trimmed pieces of at most `max_units` UTF-16 units, in order.
///
/// A piece ends at a paragraph if one ends in its second half, else at a line, a sentence, a word;
/// only where there is none of these it ends between two characters as people see them. Counting
/// UTF-16 units keeps a piece within a limit counted in characters too. Empty text gives no pieces.
pub(crate) fn split_text(text: &str, max_units: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = piece_end(rest, max_units);
        let piece = rest[..end].trim_end();
        if !piece.is_empty() {
            pieces.push(piece.to_owned());
        }
        rest = rest[end..].trim_start();
    }
    pieces
}

/// Where the next piece of `text` ends, in bytes: above 0 and on a character's boundary.
fn piece_end(text: &str, max_units: usize) -> usize {
    let limit = units_end(text, max_units);
    if limit == text.len() {
        return limit;
    }
    let window = &text[..limit];
    let half = limit / 2;
    let ends = [
        window.rfind("\n\n"),
        window.rfind('\n'),
        sentence_end(window),
        window.rfind(char::is_whitespace),
    ];
    ends.into_iter()
        .flatten()
        .find(|&end| end > half)
        .unwrap_or_else(|| grapheme_end(text, limit))
}

/// The longest prefix of whole characters within `max_units`, at least one character.
fn units_end(text: &str, max_units: usize) -> usize {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > max_units && at > 0 {
            return at;
        }
    }
    text.len()
}

/// The end of the last sentence in `window` that is followed by a space or has its own full stop.
fn sentence_end(window: &str) -> Option<usize> {
    let mut previous = None;
    let mut end = None;
    for (at, character) in window.char_indices() {
        if character.is_whitespace() && matches!(previous, Some('.' | '!' | '?' | '…')) {
            end = Some(at);
        }
        if matches!(character, '。' | '！' | '？') {
            end = Some(at + character.len_utf8());
        }
        previous = Some(character);
    }
    end
}

/// The end of the last whole grapheme before `limit`; `limit` itself if the first one is longer.
fn grapheme_end(text: &str, limit: usize) -> usize {
    text.grapheme_indices(true)
        .map(|(at, _)| at)
        .take_while(|&at| at <= limit)
        .last()
        .filter(|&at| at > 0)
        .unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_stays_whole() {
        assert_eq!(split_text(" hello\n\nworld ", 100), ["hello\n\nworld"]);
        assert!(split_text(" \n", 100).is_empty());
    }

    #[test]
    fn pieces_end_at_paragraphs_before_sentences_before_words() {
        assert_eq!(
            split_text("One. Two three.\n\nFour five.", 20),
            ["One. Two three.", "Four five."]
        );
        assert_eq!(
            split_text("One two three. Four five", 20),
            ["One two three.", "Four five"]
        );
        assert_eq!(
            split_text("one two three four", 10),
            ["one two", "three four"]
        );
        assert_eq!(
            split_text("今日は晴れ。明日は雨です", 8),
            ["今日は晴れ。", "明日は雨です"]
        );
    }

    #[test]
    fn a_character_as_people_see_it_is_not_torn() {
        let family = "👨‍👩‍👧";
        let text = family.repeat(3);
        for piece in split_text(&text, 20) {
            assert_eq!(piece.replace(family, ""), "", "{piece}");
        }
        assert_eq!(split_text("ae\u{301}i", 2), ["a", "e\u{301}", "i"]);
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost_and_every_piece_fits(
            text in "[a-z .\n👍é\u{301}]{0,200}", max in 2usize..40,
        ) {
            let pieces = split_text(&text, max);
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&pieces.concat()), squeeze(&text));
            for piece in pieces {
                prop_assert!(!piece.is_empty());
                prop_assert!(piece.encode_utf16().count() <= max, "{:?}", piece);
            }
        }
    }
}

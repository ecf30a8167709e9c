//! What one request may hold. Source of the limits: openai `EmbeddingCreateParams`, 2026-11.

/// The most texts in one request.
const MAX_TEXTS: usize = 2048;
/// The most tokens in one request, all texts together.
const MAX_TOKENS: usize = 300_000;
/// The most tokens in one text.
const MAX_TEXT_TOKENS: usize = 8192;

/// How many of `texts`, at least one, fit in one request.
pub(super) fn len(texts: &[String]) -> usize {
    let mut tokens = 0;
    let fitting = texts.iter().take(MAX_TEXTS).take_while(|text| {
        tokens += tokens_of(text).min(MAX_TEXT_TOKENS);
        tokens <= MAX_TOKENS
    });
    fitting.count().max(1)
}

/// The beginning of `text` that fits in a request: all of it, as long as that is not too long.
pub(super) fn cut(text: &str) -> &str {
    let mut tenths = 0;
    for (at, char) in text.char_indices() {
        tenths += tenths_of(char);
        if tenths > MAX_TEXT_TOKENS * 10 {
            return &text[..at];
        }
    }
    text
}

/// Tokens of a text, estimated, and hardly ever too low.
fn tokens_of(text: &str) -> usize {
    text.chars().map(tenths_of).sum::<usize>().div_ceil(10)
}

/// Tenths of a token that a char takes: English words have four chars a token and more, scripts
/// other than Latin down to less than one.
const fn tenths_of(char: char) -> usize {
    match char {
        'a'..='z' | 'A'..='Z' | ' ' => 3,
        '0'..='9' => 4,
        '\0'..='\u{7ff}' => 10,
        '\u{800}'..='\u{ffff}' => 12,
        // Emoji and rare scripts: up to a token for each of their four bytes.
        _ => 40,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_texts_and_by_tokens() {
        let short = vec!["a".to_owned(); 5000];
        assert_eq!(len(&short), MAX_TEXTS);
        let long = vec!["word ".repeat(512); 600];
        let batch = len(&long);
        assert!(batch * tokens_of(&long[0]) <= MAX_TOKENS);
        assert!((batch + 1) * tokens_of(&long[0]) > MAX_TOKENS);
        // Cut to what one text may have, 36 fill a request.
        assert_eq!(len(&vec!["x".repeat(2_000_000); 40]), 36);
    }

    #[test]
    fn only_what_is_too_long_is_cut_and_between_chars() {
        let fits = "word ".repeat(5000);
        assert_eq!(cut(&fits), fits);
        let long = "退货期限".repeat(3000);
        let kept = cut(&long);
        assert_eq!(kept.chars().count(), MAX_TEXT_TOKENS * 10 / 12);
        assert!(tokens_of(kept) <= MAX_TEXT_TOKENS);
    }

    #[test]
    fn estimates_are_not_below_what_the_tokenizer_counts() {
        // Counted with cl100k_base, which these models read by.
        for (text, tokens) in [
            (
                "You can return any item within 30 days of its delivery.",
                13,
            ),
            (
                "Sie können jeden Artikel innerhalb von 30 Tagen zurückgeben.",
                14,
            ),
            ("商品可在三十天内退货，退货期限从收货日算起。", 21),
            ("Возврат возможен в течение тридцати дней.", 20),
            ("คืนสินค้าได้ภายในสามสิบวัน", 24),
            ("आप तीस दिनों के भीतर वापस कर सकते हैं", 35),
            ("{\"id\": 4711, \"price\": \"€ 12.50\"}", 17),
            ("👍🏽🎉🚀", 12),
        ] {
            assert!(tokens_of(text) >= tokens, "{text}: {}", tokens_of(text));
        }
    }
}

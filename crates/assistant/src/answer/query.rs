//! What to look up for a turn. A question that leans on the one before is searched with it; that is
//! told by its length and its words, so it costs no call and works for every model.

/// A question of fewer words does not stand alone.
const STANDS_ALONE_WORDS: usize = 4;

/// Words that point back, in small letters.
const POINTS_BACK: &[&str] = &[
    // English
    "it", "its", "that", "this", "these", "those", "they", "them", "there", "then", "one", "ones",
    "he", "she", "his", "her", // German
    "es", "das", "dies", "diese", "dieser", "dieses", "diesen", "davon", "dafür", "damit", "dazu",
    "dort", "sie", "ihn", "ihm", // French
    "ça", "cela", "ceci", "celui", "celle", "ceux", "celles", "il", "elle", "ils", "elles", "y",
    "en", // Spanish
    "eso", "esto", "ese", "esa", "este", "esta", "ello", "ellos", "ellas", "lo", "ahí", "allí",
    // Italian
    "questo", "questa", "quello", "quella", "esso", "essa", "ne", "ci", "lì",
    // Portuguese
    "isso", "isto", "esse", "essa", "ele", "ela", "eles", "elas", "lá",
];

/// How a question begins that goes on from the one before, in small letters.
const GOES_ON: &[&str] = &[
    "and",
    "or",
    "but",
    "what about",
    "how about",
    "und",
    "oder",
    "aber",
    "et",
    "ou",
    "mais",
    "y",
    "o",
    "pero",
    "e",
    "ma",
    "mas",
];

/// A question as it is looked up: with the one before, where it leans on it.
pub(super) fn stand_alone(question: &str, before: Option<&str>) -> String {
    match before {
        Some(before) if leans_back(question) => format!("{before}\n{question}"),
        _ => question.to_owned(),
    }
}

fn leans_back(question: &str) -> bool {
    let lower = question.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let spoken = words.join(" ");
    let goes_on = |start: &&&str| {
        let rest = spoken.strip_prefix(**start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    words.len() < STANDS_ALONE_WORDS
        || words.iter().any(|word| POINTS_BACK.contains(word))
        || GOES_ON.iter().find(goes_on).is_some()
}

/// Whether a text is more than a greeting or a word of thanks: it has a question mark, or as many
/// words as a question that stands alone.
pub(super) fn asks_something(text: &str) -> bool {
    text.contains(['?', '\u{ff1f}', '\u{61f}'])
        || text.split_whitespace().count() >= STANDS_ALONE_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_leans_on_the_one_before_is_searched_with_it() {
        for question in [
            "How much?",
            "Does it come in a larger size?",
            "And how long does delivery take?",
            "What about the blue lamp then?",
            "Wie lange dauert das denn ungefähr?",
            "Est-ce que ça marche en hiver ?",
            "¿Cuánto cuesta eso con envío?",
        ] {
            let query = stand_alone(question, Some("Do you sell tents?"));
            assert_eq!(query, format!("Do you sell tents?\n{question}"));
            assert_eq!(stand_alone(question, None), question);
        }
    }

    #[test]
    fn a_question_that_stands_alone_is_searched_alone() {
        for question in [
            "How long does delivery to Norway take?",
            "Wie lange dauert die Lieferung nach Norwegen?",
            "Combien de temps prend la livraison ?",
        ] {
            assert_eq!(stand_alone(question, Some("Do you sell tents?")), question);
        }
    }

    #[test]
    fn greetings_ask_nothing() {
        assert!(!asks_something("Hello there!"));
        assert!(!asks_something("Thanks"));
        assert!(asks_something("Price?"));
        assert!(asks_something("I want to return my lamp"));
    }
}

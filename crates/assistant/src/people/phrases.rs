//! Whether a message says one of certain phrases.
//!
//! Case, accents, punctuation and spacing do not count. What is written without spaces between its
//! words counts wherever it stands.

use std::collections::BTreeMap;

use super::vocabulary::{self, Vocabulary};

/// How a phrase has to stand in a message to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It is the whole message.
    Whole,
    /// It is the whole message, or, where it has several words, a part of it.
    Part,
}

/// Finds the language of the first phrase that a message says: the tenant's own ones come first, and
/// take the place of the product's in the languages they name.
pub(super) fn language_of(
    message: &str,
    own: &BTreeMap<String, Vec<String>>,
    products: fn(&Vocabulary) -> &'static [&'static str],
    rule: Rule,
) -> Option<String> {
    let said = words(message);
    if said.is_empty() {
        return None;
    }
    let says = |phrase: &str| says(&said, &words(phrase), rule);
    for (language, phrases) in own {
        if phrases.iter().any(|phrase| says(phrase)) {
            return Some(language.clone());
        }
    }
    let products = vocabulary::ALL
        .iter()
        .filter(|known| !own.contains_key(known.language))
        .find(|known| products(known).iter().any(|phrase| says(phrase)));
    products.map(|known| known.language.to_owned())
}

/// Whether a message holds one of these phrases anywhere, as words of their own.
pub(crate) fn holds_any(message: &str, phrases: &[String]) -> bool {
    let said = words(message);
    phrases.iter().any(|phrase| {
        let phrase = words(phrase);
        !phrase.is_empty() && (is_within(&said, &phrase) || holds_unspaced(&said, &phrase))
    })
}

fn says(said: &[String], phrase: &[String], rule: Rule) -> bool {
    if phrase.is_empty() {
        return false;
    }
    if said == phrase {
        return true;
    }
    rule == Rule::Part
        && ((phrase.len() > 1 && is_within(said, phrase)) || holds_unspaced(said, phrase))
}

fn is_within(said: &[String], phrase: &[String]) -> bool {
    said.windows(phrase.len()).any(|part| part == phrase)
}

/// Whether a phrase of a language without spaces stands within a word.
fn holds_unspaced(said: &[String], phrase: &[String]) -> bool {
    let [phrase] = phrase else { return false };
    phrase.chars().any(is_unspaced) && said.iter().any(|word| word.contains(phrase.as_str()))
}

/// Han and kana.
const fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

/// The words of a text, in small letters without accents.
fn words(text: &str) -> Vec<String> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .flat_map(|c| plain(c).chars().collect::<Vec<_>>())
        .collect();
    plain
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A letter without its accent; combining marks vanish.
fn plain(c: char) -> String {
    let plain = match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => 'a',
        'ç' | 'ć' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ę' => 'e',
        'ğ' => 'g',
        'ì' | 'í' | 'î' | 'ï' | 'ı' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ś' | 'ş' => 's',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' => 'z',
        '’' => '\'',
        '\u{300}'..='\u{36f}' => return String::new(),
        other => other,
    };
    plain.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(message: &str) -> Option<String> {
        let own = BTreeMap::new();
        language_of(message, &own, |known| known.person, Rule::Part)
    }

    fn stop(message: &str) -> Option<String> {
        let own = BTreeMap::new();
        language_of(message, &own, |known| known.stop, Rule::Whole)
    }

    #[test]
    fn a_stop_word_counts_only_as_a_whole_message() {
        for (message, language) in [
            ("STOP", Some("en")),
            (" stop. ", Some("en")),
            ("Opt-out!", Some("en")),
            ("Stopp", Some("de")),
            ("Désinscription", Some("fr")),
            ("BAJA", Some("es")),
            ("退订", Some("zh")),
            ("When does the offer stop?", None),
            ("stop it", None),
            ("bus stop", None),
            ("", None),
            ("...", None),
        ] {
            assert_eq!(stop(message).as_deref(), language, "{message}");
        }
    }

    #[test]
    fn asking_for_a_person_counts_within_a_sentence_unless_it_is_one_word() {
        for (message, language) in [
            ("Agent", Some("en")),
            ("I want to talk to a human, please!", Some("en")),
            ("Kann ich mit einem Menschen sprechen?", Some("de")),
            ("Je voudrais parler à quelqu’un", Some("fr")),
            ("Quiero hablar con una persona", Some("es")),
            ("Quero falar com um atendente", Some("pt")),
            ("我要转人工客服", Some("zh")),
            ("Which cleaning agent do you sell?", None),
            ("Is this human hair?", None),
        ] {
            assert_eq!(person(message).as_deref(), language, "{message}");
        }
    }

    #[test]
    fn a_tenants_own_phrases_take_the_place_of_the_products_in_their_language() {
        let own = BTreeMap::from([("en".to_owned(), vec!["shop keeper".to_owned()])]);
        let of = |message| language_of(message, &own, |known| known.person, Rule::Part);
        assert_eq!(of("Get me the shop-keeper!").as_deref(), Some("en"));
        assert_eq!(of("Agent"), None);
        assert_eq!(of("Mitarbeiter").as_deref(), Some("de"));
    }

    #[test]
    fn blocked_phrases_are_words_of_their_own() {
        let blocked = ["ass".to_owned(), "bad offer".to_owned(), "违禁".to_owned()];
        for (message, is_blocked) in [
            ("You ass!", true),
            ("A BAD   offer.", true),
            ("这是违禁品", true),
            ("Which class is it?", false),
            ("bad", false),
        ] {
            assert_eq!(holds_any(message, &blocked), is_blocked, "{message}");
        }
    }

    #[test]
    fn no_phrase_of_the_product_means_two_things() {
        for known in &vocabulary::ALL {
            for phrase in known.stop.iter().chain(known.person).chain(known.start) {
                let meanings = [
                    stop(phrase).is_some(),
                    language_of(phrase, &BTreeMap::new(), |known| known.start, Rule::Whole)
                        .is_some(),
                    person(phrase).is_some(),
                ];
                let count = meanings.iter().filter(|means| **means).count();
                assert_eq!(count, 1, "{phrase} of {}", known.language);
            }
        }
    }
}

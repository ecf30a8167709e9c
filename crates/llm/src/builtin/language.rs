use super::words::{self, STOPWORDS};

/// A language the builtin answerer can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    French,
    Spanish,
    Italian,
    Portuguese,
    Chinese,
}

/// Letters and marks that give a language away.
const MARKS: &[(Language, &str)] = &[
    (Language::German, "ßäöü"),
    (Language::French, "êèœçàùî"),
    (Language::Spanish, "ñ¿¡áíú"),
    (Language::Italian, "èùìò"),
    (Language::Portuguese, "ãõçêá"),
];

impl Language {
    /// Guesses the language of `text`; English where nothing speaks for another one.
    pub(crate) fn of(text: &str) -> Self {
        let is_kana = |c: char| ('\u{3040}'..='\u{30ff}').contains(&c);
        let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        if text.chars().any(is_han) && !text.chars().any(is_kana) {
            return Self::Chinese;
        }
        let said = words::folded(text);
        let lower = text.to_lowercase();
        let mut best = (Self::English, 0);
        for (language, list) in STOPWORDS {
            let known = |word: &&String| list.split_whitespace().any(|stop| stop == word.as_str());
            let marks = MARKS.iter().filter(|(of, _)| of == language);
            let marks = marks.flat_map(|(_, marks)| marks.chars());
            let score = 2 * said.iter().filter(known).count()
                + marks.filter(|mark| lower.contains(*mark)).count();
            if score > best.1 {
                best = (*language, score);
            }
        }
        best.0
    }

    /// Its code, of two letters.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Italian => "it",
            Self::Portuguese => "pt",
            Self::Chinese => "zh",
        }
    }

    /// What stands before an extract, so that nobody takes it for more.
    pub(crate) const fn preface(self) -> &'static str {
        match self {
            Self::English => "From our documents:",
            Self::German => "Aus unseren Unterlagen:",
            Self::French => "Extrait de nos documents :",
            Self::Spanish => "De nuestros documentos:",
            Self::Italian => "Dai nostri documenti:",
            Self::Portuguese => "Dos nossos documentos:",
            Self::Chinese => "根据我们的资料：",
        }
    }

    /// What is said when the sources do not carry an answer.
    pub(crate) const fn unknown(self) -> &'static str {
        match self {
            Self::English => "I don't know: our documents don't answer that.",
            Self::German => "Das weiß ich nicht: In unseren Unterlagen steht dazu keine Antwort.",
            Self::French => "Je ne sais pas : nos documents n'y répondent pas.",
            Self::Spanish => "No lo sé: nuestros documentos no responden a eso.",
            Self::Italian => "Non lo so: i nostri documenti non rispondono a questa domanda.",
            Self::Portuguese => "Não sei: os nossos documentos não respondem a isso.",
            Self::Chinese => "抱歉，我不知道：我们的资料里没有这个问题的答案。",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_questions_give_their_language_away() {
        for (text, language) in [
            ("What are your opening hours?", Language::English),
            ("refund?", Language::English),
            ("", Language::English),
            (
                "Wie lange habe ich Zeit für eine Rückgabe?",
                Language::German,
            ),
            ("Was kostet der Versand?", Language::German),
            ("Combien coûte la livraison ?", Language::French),
            ("Quels sont vos horaires d'ouverture ?", Language::French),
            ("¿Cuánto cuesta el envío?", Language::Spanish),
            ("cuando abren los sabados", Language::Spanish),
            ("Quanto costa la spedizione?", Language::Italian),
            ("Quanto custa o envio para o Brasil?", Language::Portuguese),
            ("退货期限是多久？", Language::Chinese),
        ] {
            assert_eq!(Language::of(text), language, "{text}");
        }
    }
}

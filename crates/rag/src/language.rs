//! Which language a text is in, as Postgres names its text search configurations.

use whatlang::{Detector, Lang};

/// How much is looked at, in chars: enough to be sure, and quick on a whole book.
pub(crate) const SAMPLE_CHARS: usize = 6000;

/// The configuration for texts in no known language, and for those that [`crate::terms`] serves.
pub const SIMPLE: &str = "simple";

/// Languages that take sure hits from their large neighbours (Afrikaans from Dutch), and that
/// hardly any shop writes its documents in.
const RARE: [Lang; 7] = [
    Lang::Afr,
    Lang::Epo,
    Lang::Lat,
    Lang::Jav,
    Lang::Sna,
    Lang::Zul,
    Lang::Tuk,
];

/// The name of the Postgres text search configuration for `text`, [`SIMPLE`] if its language has
/// none, is mixed or too short to tell. Every name exists from Postgres 16 on.
pub fn text_config(text: &str) -> &'static str {
    let sample: String = text.chars().take(SAMPLE_CHARS).collect();
    match Detector::with_denylist(RARE.to_vec()).detect(&sample) {
        Some(found) if found.is_reliable() => config_of(found.lang()),
        _ => SIMPLE,
    }
}

const fn config_of(lang: Lang) -> &'static str {
    match lang {
        Lang::Ara => "arabic",
        Lang::Hye => "armenian",
        Lang::Cat => "catalan",
        Lang::Dan => "danish",
        Lang::Nld => "dutch",
        Lang::Eng => "english",
        Lang::Fin => "finnish",
        Lang::Fra => "french",
        Lang::Deu => "german",
        Lang::Ell => "greek",
        Lang::Hin => "hindi",
        Lang::Hun => "hungarian",
        Lang::Ind => "indonesian",
        Lang::Ita => "italian",
        Lang::Lit => "lithuanian",
        Lang::Nep => "nepali",
        Lang::Nob => "norwegian",
        Lang::Por => "portuguese",
        Lang::Ron => "romanian",
        Lang::Rus => "russian",
        Lang::Srp => "serbian",
        Lang::Spa => "spanish",
        Lang::Swe => "swedish",
        Lang::Tam => "tamil",
        Lang::Tur => "turkish",
        Lang::Yid => "yiddish",
        _ => SIMPLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_get_the_configuration_of_their_language() {
        for (text, config) in [
            (
                "You can return any item within thirty days of delivery. We refund the full price to the card that you paid with.",
                "english",
            ),
            (
                "Sie können jeden Artikel innerhalb von dreißig Tagen zurückgeben. Der volle Preis wird Ihnen erstattet.",
                "german",
            ),
            (
                "Vous pouvez retourner tout article dans les trente jours. Nous vous remboursons le prix sur votre carte.",
                "french",
            ),
            (
                "Puede devolver cualquier artículo en un plazo de treinta días. Le devolveremos el importe completo en su tarjeta.",
                "spanish",
            ),
            (
                "Puoi restituire qualsiasi articolo entro trenta giorni dalla consegna. Il prezzo viene rimborsato per intero.",
                "italian",
            ),
            (
                "Вы можете вернуть любой товар в течение тридцати дней. Мы вернём полную стоимость на вашу карту.",
                "russian",
            ),
            (
                "U kunt elk artikel binnen dertig dagen na levering naar ons terugsturen. Wij betalen het volledige bedrag terug op de kaart waarmee u hebt betaald, ook als het artikel al is gebruikt.",
                "dutch",
            ),
            ("返品は商品到着後三十日以内にお願いいたします。", "simple"),
            ("您可以在收到商品后三十天内退货。", "simple"),
            ("ok 123", "simple"),
            ("", "simple"),
        ] {
            assert_eq!(text_config(text), config, "{text}");
        }
    }
}

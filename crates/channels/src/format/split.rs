use super::units;
use crate::{Markup, split_text, to_markup};

/// Below this a piece is not split further; its markup cannot make it ten times as long.
const MIN_UNITS: usize = 64;

const FENCE: &str = "```";

/// Splits Markdown into pieces that each are at most `max_units` long, in UTF-16 units, once they
/// are put into `markup`; `max_units` is at least 640.
///
/// Pieces end as [`split_text`] says. Code that a piece cuts in two is fenced in both.
pub(crate) fn split_markdown(markdown: &str, max_units: usize, markup: Markup) -> Vec<String> {
    let fits = |piece: &str| units(&to_markup(markup, piece)) <= max_units;
    let mut pieces = Vec::new();
    if fits(markdown) {
        pieces.push(markdown.trim().to_owned());
    } else {
        split_within(markdown, max_units, &fits, &mut pieces);
    }
    // Marks without words leave nothing to be sent.
    pieces.retain(|piece| !to_markup(markup, piece).trim().is_empty());
    pieces
}

fn split_within(
    text: &str,
    max_units: usize,
    fits: &impl Fn(&str) -> bool,
    pieces: &mut Vec<String>,
) {
    for piece in fenced(split_text(text, max_units)) {
        if fits(&piece) || max_units <= MIN_UNITS {
            pieces.push(piece);
        } else {
            split_within(&piece, max_units * 3 / 4, fits, pieces);
        }
    }
}

/// Closes a fence at the end of a piece that leaves it open, and opens it in the next one.
fn fenced(pieces: Vec<String>) -> Vec<String> {
    let mut is_open = false;
    let mend = |piece: String| {
        let mut mended = String::with_capacity(piece.len() + 8);
        if is_open {
            mended.push_str("```\n");
        }
        mended.push_str(&piece);
        let fences = piece
            .lines()
            .filter(|line| line.trim_start().starts_with(FENCE));
        if fences.count() % 2 == 1 {
            is_open = !is_open;
        }
        if is_open {
            mended.push_str("\n```");
        }
        mended
    };
    pieces.into_iter().map(mend).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_that_is_cut_is_fenced_on_both_sides() {
        let code = "let a = 1;\n".repeat(200);
        let pieces = split_markdown(
            &format!("So:\n```rust\n{code}```\nDone."),
            700,
            Markup::Whatsapp,
        );
        assert!(pieces.len() > 3);
        for piece in &pieces {
            assert_eq!(piece.matches("```").count() % 2, 0, "{piece}");
        }
        assert!(pieces.last().unwrap().ends_with("Done."));
    }

    #[test]
    fn a_short_text_is_one_piece_and_none_is_none() {
        assert_eq!(split_markdown("hello", 700, Markup::Plain), ["hello"]);
        for nothing in ["", " \n", "#", "```\n```"] {
            assert!(
                split_markdown(nothing, 700, Markup::Plain).is_empty(),
                "{nothing}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_piece_fits(text in "([a-z]{1,9}|\\*\\*|[.]|👍|\n|\\||# |```| ){0,900}") {
            for markup in [Markup::Markdown, Markup::Whatsapp, Markup::Plain] {
                for piece in split_markdown(&text, 700, markup) {
                    prop_assert!(units(&to_markup(markup, &piece)) <= 700);
                }
            }
        }
    }
}

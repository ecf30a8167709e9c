//! Texts in each channel's own form: models and people write Markdown, and not every channel shows
//! it.

mod cite;
mod render;
mod split;

pub use cite::{Citations, cite};
pub(crate) use split::split_markdown;

use crate::Markup;

/// Puts Markdown into a channel's own markup.
///
/// | Markdown | [`Markup::Whatsapp`] | [`Markup::Plain`] |
/// |---|---|---|
/// | bold, heading | `*words*` | words |
/// | italic, struck out | `_words_`, `~words~` | words |
/// | code | as it is, without the language's name | without marks |
/// | link, picture | `words (address)` | `words (address)` |
/// | lists | `- `, `1. `, indented | the same |
/// | quote | `> ` | `> ` |
/// | table | a line for each row, `cell | cell`, the head bold | the same, without bold |
///
/// Line breaks stay where they are. [`Markup::Markdown`] leaves everything as it is.
pub fn to_markup(markup: Markup, markdown: &str) -> String {
    match markup {
        Markup::Markdown => markdown.to_owned(),
        Markup::Whatsapp => render::render(markdown, &render::WHATSAPP),
        Markup::Plain => render::render(markdown, &render::PLAIN),
    }
}

/// The length of a text as channels count it at most: in UTF-16 units, which are never fewer than
/// characters.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

//! Forms for what a channel has no form of its own for.

use domain::{Choices, Content, Location, OutgoingMedia};

use crate::format::split_markdown;
use crate::{Capabilities, Unsupported};

/// A text as contents that fit one message each.
pub(crate) fn texts(
    markdown: &str,
    capabilities: &Capabilities,
    nothing: Unsupported,
) -> Result<Vec<Content>, Unsupported> {
    let pieces = match capabilities.max_text_units {
        Some(max_units) => split_markdown(markdown, max_units, capabilities.markup),
        None if markdown.trim().is_empty() => Vec::new(),
        None => vec![markdown.to_owned()],
    };
    if pieces.is_empty() {
        return Err(nothing);
    }
    Ok(pieces.into_iter().map(Content::text).collect())
}

/// A question with its answers numbered below it.
pub(crate) fn numbered(choices: &Choices) -> String {
    let mut text = choices.body.trim_end().to_owned();
    text.push('\n');
    for (at, choice) in choices.choices.iter().enumerate() {
        text.push_str(&format!("\n{}. {}", at + 1, choice.title));
        if let Some(description) = &choice.description {
            text.push_str(&format!(" ({description})"));
        }
    }
    if let Some(footer) = &choices.footer {
        text.push_str(&format!("\n\n{footer}"));
    }
    text
}

/// A place as text.
pub(crate) fn place(location: &Location) -> String {
    let mut lines: Vec<String> = [&location.name, &location.address, &location.url]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    lines.push(format!("{}, {}", location.latitude, location.longitude));
    lines.join("\n")
}

/// A file and its caption as two messages, for a channel whose files have none, or no room for it.
pub(crate) fn without_caption(media: &OutgoingMedia) -> Content {
    Content::Media(OutgoingMedia {
        caption: None,
        ..media.clone()
    })
}

/// Whether `text` has 1 to `max_chars` characters.
pub(crate) fn has_room(text: &str, max_chars: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max_chars
}

//! Forms for what a channel has no form of its own for.

use domain::{Choice, Choices, Content, Location, OutgoingMedia};

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
    let line = |(at, choice): (usize, &Choice)| match &choice.description {
        Some(description) => format!("{}. {} ({description})", at + 1, choice.title),
        None => format!("{}. {}", at + 1, choice.title),
    };
    let lines: Vec<String> = choices.choices.iter().enumerate().map(line).collect();
    let mut blocks = vec![choices.body.trim_end().to_owned(), lines.join("\n")];
    blocks.extend(choices.footer.clone());
    blocks.join("\n\n")
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

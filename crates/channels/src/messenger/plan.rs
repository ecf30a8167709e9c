use std::collections::HashSet;

use domain::{ChannelKind, Choices, Content};

use super::{CAPABILITIES, MAX_TEXT_UNITS};
use crate::format::units;
use crate::plan::{has_room, numbered, place, texts, without_caption};
use crate::{Markup, Unsupported, to_markup};

/// Source: <https://developers.facebook.com/docs/messenger-platform/send-messages/quick-replies>,
/// 2026-05, as the other limits here.
const MAX_REPLIES: usize = 13;
const MAX_TITLE_CHARS: usize = 20;
const MAX_PAYLOAD_CHARS: usize = 1000;

/// Whether a question's answers can be quick replies, which show neither descriptions nor a footer.
pub(super) fn fits_quick_replies(choices: &Choices) -> bool {
    let ids: HashSet<&str> = choices
        .choices
        .iter()
        .map(|choice| choice.id.as_str())
        .collect();
    let body_units = units(&to_markup(Markup::Plain, &choices.body));
    (1..=MAX_REPLIES).contains(&choices.choices.len())
        && ids.len() == choices.choices.len()
        && (1..=MAX_TEXT_UNITS).contains(&body_units)
        && choices.footer.is_none()
        && choices.choices.iter().all(|choice| {
            choice.description.is_none()
                && has_room(&choice.title, MAX_TITLE_CHARS)
                && has_room(&choice.id, MAX_PAYLOAD_CHARS)
        })
}

/// Takes a content apart, see [`crate::Channel::plan`].
pub(super) fn plan(content: &Content) -> Result<Vec<Content>, Unsupported> {
    let text = |markdown: &str| texts(markdown, &CAPABILITIES, refused("there is nothing to send"));
    match content {
        Content::Text { body } => text(body),
        Content::Media(media) => {
            let mut contents = vec![without_caption(media)];
            contents.extend(text(media.caption.as_deref().unwrap_or_default()).unwrap_or_default());
            Ok(contents)
        }
        Content::Location(location) => text(&place(location)),
        Content::Choices(choices) if !fits_quick_replies(choices) => text(&numbered(choices)),
        Content::Choices(_) | Content::Reaction { .. } => Ok(vec![content.clone()]),
        Content::Template(_) => Err(refused("it has no templates")),
    }
}

pub(super) const fn refused(reason: &'static str) -> Unsupported {
    Unsupported {
        channel: ChannelKind::Messenger,
        reason,
    }
}

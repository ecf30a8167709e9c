use std::collections::HashSet;

use domain::{ChannelKind, Choices, Content, MediaKind, OutgoingMedia};

use super::{CAPABILITIES, MAX_TEXT_UNITS};
use crate::format::units;
use crate::plan::{has_room, numbered, texts, without_caption};
use crate::{Markup, Unsupported, to_markup};

/// The longest words under a file.
///
/// Source: <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>, 2026-05, as
/// all limits here.
pub(super) const MAX_CAPTION_UNITS: usize = 1024;

const MAX_BUTTONS: usize = 3;
const MAX_BUTTON_CHARS: usize = 20;
const MAX_BUTTON_ID_CHARS: usize = 256;
const MAX_BUTTONS_BODY_UNITS: usize = 1024;
const MAX_ROWS: usize = 10;
const MAX_ROW_CHARS: usize = 24;
const MAX_ROW_ID_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 72;
const MAX_LABEL_CHARS: usize = 20;
const MAX_FOOTER_CHARS: usize = 60;

/// How a question's answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Buttons,
    List,
}

/// How the answers of a question can be shown; `None` if only as text.
pub(super) fn shape_of(choices: &Choices) -> Option<Shape> {
    let all = &choices.choices;
    let ids: HashSet<&str> = all.iter().map(|choice| choice.id.as_str()).collect();
    let titles: HashSet<&str> = all.iter().map(|choice| choice.title.as_str()).collect();
    let has_room_below = choices
        .footer
        .as_ref()
        .is_none_or(|footer| footer.chars().count() <= MAX_FOOTER_CHARS);
    let body_units = units(&to_markup(Markup::Whatsapp, &choices.body));
    if all.is_empty() || ids.len() < all.len() || !has_room_below || body_units == 0 {
        return None;
    }
    let is_buttons = all.len() <= MAX_BUTTONS
        && titles.len() == all.len()
        && body_units <= MAX_BUTTONS_BODY_UNITS
        && all.iter().all(|choice| {
            has_room(&choice.title, MAX_BUTTON_CHARS)
                && has_room(&choice.id, MAX_BUTTON_ID_CHARS)
                && choice.description.is_none()
        });
    if is_buttons {
        return Some(Shape::Buttons);
    }
    let is_list = all.len() <= MAX_ROWS
        && body_units <= MAX_TEXT_UNITS
        && choices
            .label
            .as_ref()
            .is_none_or(|label| has_room(label, MAX_LABEL_CHARS))
        && all.iter().all(|choice| {
            has_room(&choice.title, MAX_ROW_CHARS)
                && has_room(&choice.id, MAX_ROW_ID_CHARS)
                && choice
                    .description
                    .as_ref()
                    .is_none_or(|text| text.chars().count() <= MAX_DESCRIPTION_CHARS)
        });
    is_list.then_some(Shape::List)
}

/// Whether a file has no caption, or can have the one it has.
pub(super) fn caption_fits(media: &OutgoingMedia) -> bool {
    let Some(caption) = &media.caption else {
        return true;
    };
    !matches!(media.media_kind, MediaKind::Audio | MediaKind::Sticker)
        && units(&to_markup(Markup::Whatsapp, caption)) <= MAX_CAPTION_UNITS
}

/// Takes a content apart, see [`crate::Channel::plan`].
pub(super) fn plan(content: &Content) -> Result<Vec<Content>, Unsupported> {
    let text = |markdown: &str| texts(markdown, &CAPABILITIES, refused("there is nothing to send"));
    match content {
        Content::Text { body } => text(body),
        Content::Media(media) if !caption_fits(media) => {
            let mut contents = vec![without_caption(media)];
            contents.extend(text(media.caption.as_deref().unwrap_or_default()).unwrap_or_default());
            Ok(contents)
        }
        Content::Choices(choices) if shape_of(choices).is_none() => text(&numbered(choices)),
        Content::Media(_)
        | Content::Choices(_)
        | Content::Location(_)
        | Content::Template(_)
        | Content::Reaction { .. } => Ok(vec![content.clone()]),
    }
}

pub(super) const fn refused(reason: &'static str) -> Unsupported {
    Unsupported {
        channel: ChannelKind::Whatsapp,
        reason,
    }
}

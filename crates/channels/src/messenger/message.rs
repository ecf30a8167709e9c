use domain::{Choices, Content, MediaFile, MediaKind, OutgoingMedia};
use serde_json::{Value, json};

use super::MAX_TEXT_UNITS;
use super::plan::fits_quick_replies;
use crate::format::units;
use crate::{Markup, Outgoing, Permit, to_markup};

/// The app that a page's own inbox writes with.
///
/// Source: <https://developers.facebook.com/docs/messenger-platform/handover-protocol>.
pub const INBOX_APP_ID: &str = "263902037430900";

/// What stands before our tag in a message's `metadata`, so that its echo is known for ours.
const MARK: &str = "metachat:";

/// What a message carries for its echo.
fn mark(tag: &str) -> String {
    format!("{MARK}{tag}")
}

/// The tag in an echo's `metadata`; `None` if the message is not of ours.
pub(super) fn read_mark(metadata: &str) -> Option<&str> {
    metadata.strip_prefix(MARK).filter(|tag| !tag.is_empty())
}

/// The body to post for one message, or why there is none.
pub(super) fn body(outgoing: &Outgoing<'_>) -> Result<Value, &'static str> {
    if let Content::Reaction { target, emoji } = outgoing.content {
        return Ok(reaction(outgoing.to, target, emoji.as_deref()));
    }
    let mut body = json!({"recipient": {"id": outgoing.to}});
    match outgoing.permit {
        Permit::Free => body["messaging_type"] = "RESPONSE".into(),
        Permit::HumanAgent if outgoing.author == domain::Author::Agent => {
            body["messaging_type"] = "MESSAGE_TAG".into();
            body["tag"] = "HUMAN_AGENT".into();
        }
        Permit::HumanAgent => return Err("only a person may answer now"),
        Permit::Approved | Permit::InsteadTemplate(_) | Permit::Refused(_) => {
            return Err("the contact wrote too long ago");
        }
    }
    if let Some(id) = outgoing.reply_to {
        body["reply_to"] = json!({"mid": id});
    }
    let mut message = part(outgoing.content)?;
    message["metadata"] = mark(outgoing.tag).into();
    body["message"] = message;
    Ok(body)
}

fn part(content: &Content) -> Result<Value, &'static str> {
    match content {
        Content::Text { body } => Ok(json!({"text": words(body)?})),
        Content::Media(media) => media_of(media),
        Content::Choices(choices) => choices_of(choices),
        Content::Location(_) => Err("a place is sent as text"),
        Content::Template(_) => Err("it has no templates"),
        Content::Reaction { .. } => Err("a reaction is no message"),
    }
}

fn words(markdown: &str) -> Result<String, &'static str> {
    let words = to_markup(Markup::Plain, markdown);
    if words.is_empty() {
        return Err("there is nothing to send");
    }
    if units(&words) > MAX_TEXT_UNITS {
        return Err("the text is too long for one message");
    }
    Ok(words)
}

fn media_of(media: &OutgoingMedia) -> Result<Value, &'static str> {
    if media.caption.is_some() {
        return Err("a caption is sent as a message of its own");
    }
    let name = match media.media_kind {
        // A picture that was chosen as a sticker elsewhere is still a picture.
        MediaKind::Image | MediaKind::Sticker => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Document => "file",
    };
    let payload = match &media.file {
        MediaFile::Uploaded(id) => json!({"attachment_id": id}),
        MediaFile::Link(url) => json!({"url": url, "is_reusable": true}),
        MediaFile::Kept(_) => return Err("the file has to be uploaded first"),
    };
    Ok(json!({"attachment": {"type": name, "payload": payload}}))
}

fn choices_of(choices: &Choices) -> Result<Value, &'static str> {
    if !fits_quick_replies(choices) {
        return Err("the answers do not fit on quick replies");
    }
    let replies: Vec<Value> = choices
        .choices
        .iter()
        .map(|choice| json!({"content_type": "text", "title": choice.title, "payload": choice.id}))
        .collect();
    Ok(json!({"text": words(&choices.body)?, "quick_replies": replies}))
}

/// A reaction is an action, not a message.
fn reaction(to: &str, target: &str, emoji: Option<&str>) -> Value {
    let mut payload = json!({"message_id": target});
    if let Some(emoji) = emoji {
        payload["reaction"] = emoji.into();
    }
    let action = if emoji.is_some() { "react" } else { "unreact" };
    json!({"recipient": {"id": to}, "sender_action": action, "payload": payload})
}

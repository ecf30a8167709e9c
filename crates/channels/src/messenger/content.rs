use domain::{
    ContentBody, InteractiveReply, Location, Media, MediaKind, MessageContext, SystemNotice,
};
use serde_json::Value;

use crate::lenient::{as_text, flag, float, kept_raw, list, text};

/// The body of a message: one thing, or [`ContentBody::Parts`].
pub(super) fn body_of(message: &Value) -> ContentBody {
    if flag(message, "is_unsupported") {
        return unsupported("is_unsupported", message);
    }
    let words = text(message, "text");
    if let (Some(title), Some(id)) = (&words, quick_reply(message)) {
        let title = title.clone();
        return ContentBody::Interactive {
            reply: InteractiveReply::Button { id, title },
        };
    }
    let mut parts: Vec<ContentBody> = shown(list(message, "attachments"))
        .filter_map(|attachment| attachment_of(attachment, words.as_deref()))
        .collect();
    if let Some(body) = words {
        parts.insert(0, ContentBody::Text { body });
    }
    match parts.len() {
        0 => unsupported("message", message),
        1 => parts.remove(0),
        _ => ContentBody::Parts { parts },
    }
}

fn quick_reply(message: &Value) -> Option<String> {
    text(message.get("quick_reply")?, "payload")
}

fn unsupported(channel_type: &str, raw: &Value) -> ContentBody {
    ContentBody::Unsupported {
        channel_type: Some(channel_type.to_owned()),
        raw: kept_raw(raw),
    }
}

/// The attachments without the pictures that only repeat a sticker: while Meta went over from one
/// to the other, a sticker came as both.
///
/// Source: <https://developers.facebook.com/docs/messenger-platform/changelog/> (2026-06-01).
fn shown(attachments: &[Value]) -> impl Iterator<Item = &Value> {
    let has_sticker = attachments
        .iter()
        .any(|attachment| attachment["type"] == "sticker");
    attachments.iter().filter(move |attachment| {
        let is_old_form =
            attachment["type"] == "image" && !attachment["payload"]["sticker_id"].is_null();
        !(has_sticker && is_old_form)
    })
}

/// One attachment; `None` for a preview of a link that stands in the text.
fn attachment_of(attachment: &Value, words: Option<&str>) -> Option<ContentBody> {
    let channel_type = text(attachment, "type");
    let payload = attachment.get("payload").unwrap_or(&Value::Null);
    let is_sticker = payload.get("sticker_id").is_some_and(|id| !id.is_null());
    let media = |media_kind| media_of(media_kind, payload);
    match channel_type.as_deref() {
        Some("image") if is_sticker => Some(media(MediaKind::Sticker)),
        Some("sticker") => Some(media(MediaKind::Sticker)),
        Some("image") => Some(media(MediaKind::Image)),
        Some("video" | "reel" | "ig_reel") => Some(media(MediaKind::Video)),
        Some("audio") => Some(media(MediaKind::Audio)),
        Some("file") => Some(media(MediaKind::Document)),
        Some("location") => {
            Some(location_of(attachment).unwrap_or_else(|| unsupported("location", attachment)))
        }
        Some("fallback") => link_of(attachment, words),
        other => Some(unsupported(other.unwrap_or("attachment"), attachment)),
    }
}

fn media_of(media_kind: MediaKind, payload: &Value) -> ContentBody {
    ContentBody::Media(Media {
        media_kind,
        id: None,
        mime_type: None,
        filename: text(payload, "title").or_else(|| text(payload, "name")),
        caption: None,
        voice: false,
        animated: false,
        sha256: None,
        url: text(payload, "url"),
    })
}

fn location_of(attachment: &Value) -> Option<ContentBody> {
    let payload = attachment.get("payload")?;
    let coordinates = payload.get("coordinates")?;
    Some(ContentBody::Location(Location {
        latitude: float(coordinates, "lat")?,
        longitude: float(coordinates, "long")?,
        name: text(attachment, "title"),
        address: None,
        url: text(payload, "url").or_else(|| text(attachment, "url")),
    }))
}

/// A shared link, whose address may stand beside the payload, in it, or be it.
fn link_of(attachment: &Value, words: Option<&str>) -> Option<ContentBody> {
    let payload = attachment.get("payload").unwrap_or(&Value::Null);
    let url = ["url", "URL"]
        .iter()
        .find_map(|name| text(attachment, name))
        .or_else(|| text(payload, "url"))
        .or_else(|| as_text(payload));
    let title = text(attachment, "title").or_else(|| text(payload, "title"));
    let lines: Vec<String> = [title, url.clone()].into_iter().flatten().collect();
    match (words, url) {
        (Some(words), Some(url)) if words.contains(&url) => None,
        // Only the title of a link that is written in another way.
        (Some(_), None) => None,
        _ if lines.is_empty() => Some(unsupported("fallback", attachment)),
        _ => Some(ContentBody::Text {
            body: lines.join("\n"),
        }),
    }
}

/// What stands around an event.
pub(super) fn context_of(event: &Value, part: &Value, standby: bool) -> MessageContext {
    let reply = part.get("reply_to").unwrap_or(&Value::Null);
    let referral = [part, event]
        .iter()
        .find_map(|holder| holder.get("referral").filter(|value| value.is_object()));
    let product = list(part, "attachments")
        .iter()
        .find_map(|attachment| attachment["payload"].get("product"))
        .or_else(|| referral?.get("product"));
    MessageContext {
        reply_to: text(reply, "mid"),
        referral: referral.cloned(),
        referred_product: product.filter(|value| !value.is_null()).cloned(),
        standby,
        app_id: text(part, "app_id"),
        ..MessageContext::default()
    }
}

/// A notice without words.
pub(super) fn notice(change: &str, body: Option<String>) -> ContentBody {
    ContentBody::System(SystemNotice {
        change: change.to_owned(),
        body,
        new_address: None,
        new_external_id: None,
        previous_external_id: None,
    })
}

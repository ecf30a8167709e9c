use chrono::{DateTime, Utc};
use domain::{
    ContactRef, ContentBody, Inbound, InboundMessage, MessageContext, MessageStatus,
    NormalizedContent, Receipt, StatusUpdate,
};
use serde::Deserialize;
use serde_json::Value;

use crate::Unreadable;
use crate::lenient::{Unit, flag, integer, kept_raw, list, moment, text};

/// The longest text of a message, in characters.
pub const MAX_TEXT_CHARS: usize = 20_000;

/// The longest id of a message, in bytes.
const MAX_MESSAGE_ID: usize = 512;

/// The longest id or address of a person, in bytes.
const MAX_CONTACT_ID: usize = 256;

/// The most parts of one message, and the most messages of one receipt.
const MAX_LIST: usize = 100;

/// Decodes one event, see [`crate::Channel::decode`].
pub(super) fn decode(event: &Value) -> Result<Inbound, Unreadable> {
    if !event.is_object() {
        return Err(Unreadable::new("the event is not an object"));
    }
    match text(event, "type").as_deref() {
        Some("message") => message(event).map(Inbound::Message),
        Some("echo") => message(event).map(Inbound::Echo),
        Some("status") => status(event).map(Inbound::Status),
        Some("receipt") => receipt(event).map(Inbound::Receipt),
        Some(other) => Ok(Inbound::Other {
            kind: other.to_owned(),
            note: None,
        }),
        None => Err(Unreadable::new("the event has no `type`")),
    }
}

fn message(event: &Value) -> Result<InboundMessage, Unreadable> {
    let body = match (event.get("content"), text(event, "text")) {
        (Some(content), _) if !content.is_null() => body_of(content)?,
        (_, Some(body)) => ContentBody::Text { body },
        _ => {
            return Err(Unreadable::new(
                "the event has neither `content` nor `text`",
            ));
        }
    };
    check(&body, true)?;
    Ok(InboundMessage {
        external_id: id(event, "id")?,
        contact: contact(event)?,
        occurred_at: time(event, "timestamp")?,
        text: body.plain_text(),
        content: NormalizedContent {
            body,
            context: MessageContext {
                reply_to: text(event, "reply_to"),
                forwarded: flag(event, "forwarded"),
                standby: flag(event, "standby"),
                ..MessageContext::default()
            },
        },
    })
}

/// The content in the product's own form; a type that is not one of a contact's is kept as it came.
fn body_of(content: &Value) -> Result<ContentBody, Unreadable> {
    const TYPES: [&str; 10] = [
        "text",
        "media",
        "location",
        "contacts",
        "interactive",
        "reaction",
        "order",
        "edit",
        "revoke",
        "parts",
    ];
    let channel_type = text(content, "type");
    if !channel_type
        .as_deref()
        .is_some_and(|name| TYPES.contains(&name))
    {
        return Ok(ContentBody::Unsupported {
            raw: kept_raw(content),
            channel_type,
        });
    }
    // The error's words are not kept: they repeat what a contact wrote.
    ContentBody::deserialize(content).map_err(|_| {
        let name = channel_type.unwrap_or_default();
        Unreadable::new(format!("`content` is not in the form of the type {name}"))
    })
}

/// Checks what the form alone does not.
fn check(body: &ContentBody, is_outermost: bool) -> Result<(), Unreadable> {
    match body {
        ContentBody::Text { body } if body.trim().is_empty() => {
            Err(Unreadable::new("the text is empty"))
        }
        ContentBody::Text { body } if body.chars().count() > MAX_TEXT_CHARS => {
            Err(Unreadable::new(format!(
                "the text has more than {MAX_TEXT_CHARS} characters"
            )))
        }
        ContentBody::Parts { .. } | ContentBody::Edit { .. } if !is_outermost => Err(
            Unreadable::new("`parts` and `edit` do not stand inside each other"),
        ),
        ContentBody::Parts { parts } if parts.is_empty() || parts.len() > MAX_LIST => Err(
            Unreadable::new(format!("`parts` must have 1 to {MAX_LIST} parts")),
        ),
        ContentBody::Parts { parts } => parts.iter().try_for_each(|part| check(part, false)),
        ContentBody::Edit { content, .. } => check(content, false),
        ContentBody::System(_) => Err(Unreadable::new("notices are not sent by contacts")),
        ContentBody::Text { .. }
        | ContentBody::Media(_)
        | ContentBody::Location(_)
        | ContentBody::Contacts { .. }
        | ContentBody::Interactive { .. }
        | ContentBody::Reaction { .. }
        | ContentBody::Order(_)
        | ContentBody::Revoke { .. }
        | ContentBody::Unsupported { .. } => Ok(()),
    }
}

fn status(event: &Value) -> Result<StatusUpdate, Unreadable> {
    let tag = text(event, "message_id");
    let external_id = match (text(event, "id"), &tag) {
        (Some(_), _) => id(event, "id")?,
        (None, Some(_)) => id(event, "message_id")?,
        (None, None) => return Err(Unreadable::new("the status names no message")),
    };
    let status = match text(event, "status").as_deref() {
        Some("sent") => MessageStatus::Sent,
        Some("delivered") => MessageStatus::Delivered,
        Some("read") => MessageStatus::Read,
        Some("failed") => MessageStatus::Failed,
        Some(_) | None => {
            let names = "`status` is not one of sent, delivered, read and failed";
            return Err(Unreadable::new(names));
        }
    };
    Ok(StatusUpdate {
        external_id,
        status,
        occurred_at: time(event, "timestamp")?,
        error: text(event, "error"),
        error_code: integer(event, "error_code"),
        tag,
        recipient: None,
        pricing: None,
    })
}

fn receipt(event: &Value) -> Result<Receipt, Unreadable> {
    let status = match text(event, "status").as_deref() {
        Some("delivered") => MessageStatus::Delivered,
        Some("read") => MessageStatus::Read,
        Some(_) | None => {
            return Err(Unreadable::new("`status` is not one of delivered and read"));
        }
    };
    let occurred_at = time(event, "timestamp")?;
    let external_ids: Vec<String> = list(event, "ids")
        .iter()
        .take(MAX_LIST)
        .filter_map(crate::lenient::as_text)
        .filter(|id| id.len() <= MAX_MESSAGE_ID)
        .collect();
    let up_to = match event.get("up_to") {
        Some(value) if !value.is_null() => Some(time(event, "up_to")?),
        _ => external_ids.is_empty().then_some(occurred_at),
    };
    Ok(Receipt {
        contact_external_id: contact(event)?.external_id,
        status,
        external_ids,
        up_to,
        occurred_at,
    })
}

fn contact(event: &Value) -> Result<ContactRef, Unreadable> {
    let contact = event.get("contact").unwrap_or(&Value::Null);
    let external_id = text(contact, "id")
        .ok_or_else(|| Unreadable::new("the event has no `contact` with an `id`"))?;
    let address = text(contact, "address").unwrap_or_else(|| external_id.clone());
    if external_id.len() > MAX_CONTACT_ID || address.len() > MAX_CONTACT_ID {
        return Err(Unreadable::new(format!(
            "the contact's id or address has more than {MAX_CONTACT_ID} bytes"
        )));
    }
    Ok(ContactRef {
        external_id,
        address,
        display_name: text(contact, "name").map(crate::lenient::shorten),
    })
}

fn id(event: &Value, name: &str) -> Result<String, Unreadable> {
    match text(event, name) {
        None => Err(Unreadable::new(format!("the event has no `{name}`"))),
        Some(id) if id.len() > MAX_MESSAGE_ID => Err(Unreadable::new(format!(
            "`{name}` has more than {MAX_MESSAGE_ID} bytes"
        ))),
        Some(id) => Ok(id),
    }
}

/// A moment as RFC 3339, or in whole seconds since 1970.
fn time(event: &Value, name: &str) -> Result<DateTime<Utc>, Unreadable> {
    let written = event
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .map(|time| time.to_utc())
        .filter(|time| moment(time.timestamp(), Unit::Seconds).is_some());
    let counted = || integer(event, name).and_then(|seconds| moment(seconds, Unit::Seconds));
    written.or_else(counted).ok_or_else(|| {
        Unreadable::new(format!(
            "`{name}` is neither a time as RFC 3339 nor in seconds since 1970"
        ))
    })
}

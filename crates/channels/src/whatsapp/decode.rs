use chrono::{DateTime, Utc};
use domain::{
    ContactRef, ContentBody, Inbound, InboundMessage, MessageStatus, NormalizedContent, Pricing,
    StatusUpdate, SystemNotice,
};
use serde_json::Value;

use super::account::account_event;
use super::content::{body_of, context_of, errors_of};
use super::{field, split};
use crate::Unreadable;
use crate::lenient::{Unit, integer, moment, text};

/// The longest id of a message, in bytes; longer ones could not be indexed.
const MAX_MESSAGE_ID: usize = 512;

/// The longest id of a person, in bytes: a user id has at most 131, with the parent's mark 135.
const MAX_CONTACT_ID: usize = 256;

/// Decodes one item, see [`crate::Channel::decode`].
pub(super) fn decode(payload: &Value) -> Result<Inbound, Unreadable> {
    if let Some(object) = text(payload, field::OBJECT).filter(|name| name != split::OBJECT) {
        return Ok(other(format!("object:{object}"), None));
    }
    if let Some(message) = payload.get(field::MESSAGE) {
        let contact = sender(message, payload.get(field::CONTACT))?;
        return message_of(message, contact).map(Inbound::Message);
    }
    if let Some(echo) = payload.get(field::ECHO) {
        let contact = contact_ref(echo, "to_user_id", "to", payload.get(field::CONTACT))?;
        return message_of(echo, contact).map(Inbound::Echo);
    }
    if let Some(call) = payload.get(field::CALL) {
        let contact = contact_ref(call, "from_user_id", "from", payload.get(field::CONTACT))?;
        return call_of(call, contact).map(Inbound::Message);
    }
    if let Some(status) = payload.get(field::STATUS) {
        return status_of(status);
    }
    if let Some(errors) = payload.get(field::ERRORS) {
        let errors = errors_of(errors);
        let notes: Vec<String> = errors.iter().map(describe).collect();
        return Ok(other("value_error".to_owned(), Some(notes.join("; "))));
    }
    if let Some(value) = payload.get(field::VALUE) {
        let kind = text(payload, field::FIELD).unwrap_or_else(|| "entry".to_owned());
        return Ok(match account_event(&kind, value) {
            Some(event) => Inbound::Account(event),
            None => other(kind, None),
        });
    }
    match payload.get(field::MALFORMED) {
        Some(_) => Err(Unreadable::new("the item is not in the channel's form")),
        None => Err(Unreadable::new("the payload is not one of this channel")),
    }
}

fn other(kind: String, note: Option<String>) -> Inbound {
    Inbound::Other { kind, note }
}

fn describe(error: &domain::ChannelError) -> String {
    match error.code {
        Some(code) => format!("{code} {}", error.message),
        None => error.message.clone(),
    }
}

fn message_of(message: &Value, contact: ContactRef) -> Result<InboundMessage, Unreadable> {
    let content = NormalizedContent {
        body: body_of(message),
        context: context_of(message),
    };
    Ok(InboundMessage {
        external_id: message_id(message)?,
        contact,
        occurred_at: timestamp(message)?,
        text: content.body.plain_text(),
        content,
    })
}

/// A call, as a notice: it may be missed, and opens the window as a message does. One call may come
/// as several events.
fn call_of(call: &Value, contact: ContactRef) -> Result<InboundMessage, Unreadable> {
    let event = text(call, "event").unwrap_or_else(|| "unknown".to_owned());
    let content = NormalizedContent::new(ContentBody::System(SystemNotice {
        change: format!("call:{event}"),
        body: None,
        new_address: None,
        new_external_id: None,
        previous_external_id: None,
    }));
    let external_id = format!("{}:{event}", message_id(call)?);
    Ok(InboundMessage {
        external_id: checked_id(external_id)?,
        contact,
        occurred_at: timestamp(call)?,
        text: content.body.plain_text(),
        content,
    })
}

/// Who sent a message. A notice may name the person only inside, and speaks of whom it was so far.
fn sender(message: &Value, profile: Option<&Value>) -> Result<ContactRef, Unreadable> {
    let found = contact_ref(message, "from_user_id", "from", profile);
    let Some(system) = message.get("system") else {
        return found;
    };
    let mut contact = found
        .or_else(|_| contact_ref(system, "previous_user_id", "customer", None))
        .or_else(|_| contact_ref(system, "user_id", "wa_id", None))?;
    if let Some(previous) = text(system, "previous_user_id").filter(|id| id.len() <= MAX_CONTACT_ID)
    {
        contact.external_id = previous;
    }
    Ok(contact)
}

/// The person named by the field `user_id_name`, or where there is none by the profile, with the
/// phone number of the field `phone_name`.
pub(super) fn contact_ref(
    part: &Value,
    user_id_name: &str,
    phone_name: &str,
    profile: Option<&Value>,
) -> Result<ContactRef, Unreadable> {
    let in_profile = |name| profile.and_then(|profile| text(profile, name));
    let user_id = text(part, user_id_name).or_else(|| in_profile("user_id"));
    let phone = text(part, phone_name).or_else(|| in_profile("wa_id"));
    let (external_id, address) = match (user_id, phone) {
        (Some(user_id), Some(phone)) => (user_id, phone),
        (Some(only), None) | (None, Some(only)) => (only.clone(), only),
        (None, None) => return Err(Unreadable::new("the message names no contact")),
    };
    if external_id.len() > MAX_CONTACT_ID || address.len() > MAX_CONTACT_ID {
        return Err(Unreadable::new("the contact's id is too long"));
    }
    Ok(ContactRef {
        external_id,
        address,
        display_name: in_profile("name"),
    })
}

fn status_of(status: &Value) -> Result<Inbound, Unreadable> {
    let name = text(status, "status").ok_or_else(|| Unreadable::new("the status has no name"))?;
    if text(status, "type").as_deref() == Some("call") {
        return Ok(other(format!("call:{name}"), None));
    }
    let reached = match name.as_str() {
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "read" | "played" => MessageStatus::Read,
        "failed" => MessageStatus::Failed,
        _ => return Ok(other(format!("status:{name}"), None)),
    };
    let errors = status.get("errors").map(errors_of).unwrap_or_default();
    let recipients = [
        "recipient_participant_user_id",
        "recipient_user_id",
        "recipient_participant_id",
        "recipient_id",
    ];
    Ok(Inbound::Status(StatusUpdate {
        external_id: message_id(status)?,
        status: reached,
        occurred_at: timestamp(status)?,
        error: errors.first().map(|error| error.message.clone()),
        error_code: errors.first().and_then(|error| error.code),
        tag: text(status, "biz_opaque_callback_data"),
        recipient: recipients.iter().find_map(|name| text(status, name)),
        pricing: status.get("pricing").and_then(pricing_of),
    }))
}

fn pricing_of(pricing: &Value) -> Option<Pricing> {
    pricing.as_object()?;
    Some(Pricing {
        billable: pricing.get("billable").and_then(Value::as_bool),
        model: text(pricing, "pricing_model"),
        category: text(pricing, "category"),
        kind: text(pricing, "type"),
    })
}

fn message_id(part: &Value) -> Result<String, Unreadable> {
    let id = text(part, "id").ok_or_else(|| Unreadable::new("the item has no id"))?;
    checked_id(id)
}

fn checked_id(id: String) -> Result<String, Unreadable> {
    if id.len() > MAX_MESSAGE_ID {
        return Err(Unreadable::new("the item's id is too long"));
    }
    Ok(id)
}

fn timestamp(part: &Value) -> Result<DateTime<Utc>, Unreadable> {
    integer(part, "timestamp")
        .and_then(|seconds| moment(seconds, Unit::Seconds))
        .ok_or_else(|| Unreadable::new("the item has no time in seconds"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_that_could_not_be_indexed_is_refused_also_where_it_is_made_of_two() {
        let call = |id: usize, event: usize| {
            let call = json!({
                "id": "c".repeat(id), "event": "e".repeat(event), "from": "491700000001",
                "timestamp": "1790416800",
            });
            decode(&json!({ field::CALL: call }))
        };
        let Ok(Inbound::Message(message)) = call(500, 11) else {
            panic!("an id of 512 bytes is short enough");
        };
        assert_eq!(message.external_id.len(), MAX_MESSAGE_ID);
        for (id, event) in [(500, 12), (513, 1), (12, 4000)] {
            let refused = call(id, event).unwrap_err();
            assert_eq!(refused.reason, "the item's id is too long");
        }
    }
}

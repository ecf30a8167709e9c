//! What was decoded of posts to a page, in the words of the index.

use channels::{RawItem, channel};
use domain::{ChannelKind, ContentBody, Inbound, InboundMessage, InteractiveReply};
use serde_json::{Value, json};

/// What was decoded of a page's event, in the words of the index.
pub(super) fn seen(item: &RawItem, expected: &Value) -> Value {
    let event = &item.payload["event"];
    let mut seen = match channel(ChannelKind::Messenger)
        .decode(&item.payload)
        .unwrap()
    {
        Inbound::Message(message) => of_event(&message, "message"),
        Inbound::Echo(message) => of_event(&message, "echo"),
        Inbound::Receipt(receipt) => json!({
            "kind": if receipt.status.as_str() == "read" { "read" } else { "delivery" },
            "sender": receipt.contact_external_id,
            "ts_ms": receipt.occurred_at.timestamp_millis(),
            "watermark": receipt.up_to.unwrap().timestamp_millis().to_string(),
            "mids": receipt.external_ids,
        }),
        Inbound::Other { kind, .. } if kind == "optin" => json!({
            "kind": "optin", "ref": event["optin"]["ref"], "user_ref": event["optin"]["user_ref"],
        }),
        Inbound::Other { kind, .. } => json!({
            "kind": "ignored", "subtype": kind, "why": kind.replace("object:", "object="),
        }),
        other => panic!("{other:?}"),
    };
    if expected["kind"] == "echo" {
        seen["to"] = seen["sender"].take();
        seen["sender"] = event["sender"]["id"].clone();
    }
    // What is not looked into is kept with its item alone.
    if matches!(expected["kind"].as_str(), Some("ignored" | "optin")) {
        seen["sender"] = event["sender"]["id"].clone();
        seen["ts_ms"] = event["timestamp"].clone();
    }
    seen["page"] = json!(item.external_channel_id);
    seen
}

fn of_event(message: &InboundMessage, kind: &str) -> Value {
    let content = &message.content;
    let mut seen = json!({
        "kind": kind,
        "mid": message.external_id,
        "sender": message.contact.external_id,
        "ts_ms": message.occurred_at.timestamp_millis(),
        "standby": content.context.standby,
        "app_id": content.context.app_id,
        "text": message.text,
    });
    let parts = match &content.body {
        ContentBody::Parts { parts } => parts.clone(),
        one => vec![one.clone()],
    };
    let kinds = parts.iter().filter_map(|part| match part {
        ContentBody::Media(media) => serde_json::to_value(media.media_kind).ok(),
        ContentBody::Location(_) => Some(json!("location")),
        ContentBody::Text { body } if body.starts_with("<TITLE_OF_THE_URL") => {
            Some(json!("fallback"))
        }
        ContentBody::Unsupported { channel_type, .. } => Some(json!(channel_type)),
        _ => None,
    });
    seen["attachments"] = kinds.collect();
    match &content.body {
        ContentBody::Interactive { reply } => match reply {
            InteractiveReply::Postback { title, payload } => {
                seen["kind"] = json!("postback");
                seen["text"] = json!(title);
                seen["payload"] = json!(payload);
            }
            InteractiveReply::Button { id, .. } => seen["payload"] = json!(id),
            _ => {}
        },
        ContentBody::System(notice) => {
            seen["kind"] = json!(notice.change);
            seen["subtype"] = json!(notice.change);
            let referral = content.context.referral.clone().unwrap_or_default();
            seen["ref"] = json!(notice.body);
            seen["source"] = referral["source"].clone();
        }
        _ => {}
    }
    seen
}

//! What was decoded of posts to a number, in the words of the index.

use channels::{RawItem, channel};
use domain::{ChannelKind, ContentBody, Inbound, InboundMessage, InteractiveReply, StatusUpdate};
use serde_json::{Value, json};

/// What was decoded, in the words of the index.
pub(super) fn seen(item: &RawItem, expected: &Value) -> Value {
    let mut seen = match channel(ChannelKind::Whatsapp)
        .decode(&item.payload)
        .unwrap()
    {
        Inbound::Message(message) => of_message(&message, expected),
        Inbound::Echo(message) => {
            let mut seen = of_message(&message, expected);
            seen["kind"] = json!("echo_smb_app");
            seen["to_phone"] = json!(message.contact.address);
            seen["to_bsuid"] = json!(message.contact.external_id);
            seen
        }
        Inbound::Status(status) => of_status(&status, item, expected),
        Inbound::Other { kind, note } if kind == "value_error" => json!({
            "kind": kind, "error_codes": codes_of(&note.unwrap_or_default()),
        }),
        Inbound::Account(event) => json!({"kind": "account_event", "field": event.kind}),
        Inbound::Other { kind, .. } => json!({"kind": "account_event", "field": kind}),
        other => panic!("{other:?}"),
    };
    seen["waba"] = item.payload["entry_id"].clone();
    seen["channel"] = json!(item.external_channel_id);
    seen
}

/// The codes of a note, in which each stands before its words.
fn codes_of(note: &str) -> Vec<i64> {
    let words = note.split("; ").filter_map(|error| error.split(' ').next());
    words.filter_map(|word| word.parse().ok()).collect()
}

fn of_status(status: &StatusUpdate, item: &RawItem, expected: &Value) -> Value {
    let is_played = expected["status"] == "played" && status.status.as_str() == "read";
    let posted = &item.payload["status"];
    let mut seen = json!({
        "kind": "status",
        "id": status.external_id,
        "ts": status.occurred_at.timestamp().to_string(),
        "status": if is_played { "played" } else { status.status.as_str() },
        "opaque": status.tag,
        "error_codes": status.error_code.map(|code| [code]),
        "pricing": status.pricing.as_ref().map(|pricing| json!({
            "pricing_model": pricing.model, "category": pricing.category,
            "billable": pricing.billable,
        })),
    });
    // Of the names of whom it concerns the most telling one is kept.
    let named = ["to_bsuid", "to_phone"].map(|name| (name, expected[name].as_str()));
    let most_telling = named.iter().find_map(|(_, name)| *name);
    if most_telling == status.recipient.as_deref() {
        for (name, value) in named {
            seen[name] = json!(value);
        }
    }
    // A group is kept with its item alone.
    if posted["recipient_type"] == "group" {
        seen["group_id"] = posted["recipient_id"].clone();
    }
    seen
}

fn of_message(message: &InboundMessage, expected: &Value) -> Value {
    let context = &message.content.context;
    let mut seen = json!({
        "kind": "message",
        "id": message.external_id,
        "ts": message.occurred_at.timestamp().to_string(),
        "from_phone": message.contact.address,
        "from_bsuid": message.contact.external_id,
        "name": message.contact.display_name,
        "reply_to": context.reply_to,
        "forwarded": context.forwarded,
        "frequently_forwarded": context.frequently_forwarded,
        "error_codes": context.errors.iter().map(|error| error.code).collect::<Vec<_>>(),
    });
    // Both are parts of longer ones.
    let text = expected["text"].as_str().unwrap_or("");
    let names_all = text.split(", ").all(|part| message.text.contains(part));
    seen["text"] = json!(if names_all {
        text
    } else {
        message.text.as_str()
    });
    if let (Some(referral), Some(expected)) = (&context.referral, expected["referral"].as_object())
    {
        let kept = expected
            .keys()
            .map(|key| (key.clone(), referral[key].clone()));
        seen["referral"] = Value::Object(kept.collect());
    }
    of_body(&message.content.body, expected, &mut seen);
    seen
}

fn of_body(body: &ContentBody, expected: &Value, seen: &mut Value) {
    let stored = serde_json::to_value(body).unwrap();
    seen["type"] = type_of(body);
    match body {
        ContentBody::Media(_) => {
            let keys = expected["media"].as_object().unwrap().keys();
            let kept = keys.map(|key| (key.clone(), stored[key].clone()));
            seen["media"] = Value::Object(kept.collect());
        }
        ContentBody::Location(location) => {
            seen["location"] = json!([location.latitude, location.longitude]);
        }
        ContentBody::Interactive { reply } => of_reply(reply, seen),
        ContentBody::Reaction { target, emoji } => {
            seen["kind"] = json!("reaction");
            seen["target"] = json!(target);
            seen["emoji"] = json!(emoji);
            seen["action"] = json!(if emoji.is_some() { "add" } else { "remove" });
        }
        ContentBody::System(notice) => {
            seen["kind"] = json!("identity_change");
            seen["subtype"] = json!(notice.change);
            seen["new_phone"] = json!(notice.new_address);
        }
        ContentBody::Edit { target, content } => {
            seen["kind"] = json!("message_edited");
            seen["target"] = json!(target);
            seen["subtype"] = type_of(content);
        }
        ContentBody::Revoke { target } => {
            seen["kind"] = json!("message_deleted");
            seen["target"] = json!(target);
        }
        ContentBody::Unsupported { channel_type, .. } => {
            seen["kind"] = json!("unsupported");
            seen["subtype"] = json!(channel_type);
            if expected["type"] != "unsupported" {
                seen["type"] = json!(channel_type);
            }
        }
        ContentBody::Order(order) => {
            let catalog = order.catalog_id.as_deref().unwrap_or_default();
            let items = order.items.len();
            seen["text"] = json!(format!("order catalog={catalog} items={items}"));
        }
        ContentBody::Text { .. } | ContentBody::Contacts { .. } | ContentBody::Parts { .. } => {}
    }
}

/// A content's type as the operator calls it.
fn type_of(body: &ContentBody) -> Value {
    match body {
        ContentBody::Media(media) => json!(media.media_kind.as_str()),
        other => serde_json::to_value(other).unwrap()["type"].clone(),
    }
}

/// A tap counts by what stood there: a second line, or what a form was filled in with, is kept besides.
fn of_reply(reply: &InteractiveReply, seen: &mut Value) {
    match reply {
        InteractiveReply::Button { id, title } => {
            seen["subtype"] = json!("button_reply");
            seen["payload"] = json!(id);
            seen["text"] = json!(title);
        }
        InteractiveReply::List { id, title, .. } => {
            seen["subtype"] = json!("list_reply");
            seen["payload"] = json!(id);
            seen["text"] = json!(title);
        }
        InteractiveReply::Form { response, body, .. } => {
            seen["subtype"] = json!("nfm_reply");
            seen["text"] = json!(body);
            seen["payload"] = json!(response.as_ref().map(Value::to_string));
        }
        InteractiveReply::TemplateButton { payload, .. } => {
            seen["type"] = json!("button");
            seen["payload"] = json!(payload);
        }
        InteractiveReply::Postback { .. } | InteractiveReply::Unknown { .. } => {}
    }
}

//! Posts recorded by others, which stay outside the repository: these tests read them from the folder
//! that the variable `METACHAT_PAYLOADS` names, and say so when it names none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::whatsapp::verify;
use channels::{RawItem, channel};
use domain::{
    ChannelKind, ContentBody, Inbound, InboundMessage, InteractiveReply, MediaKind, StatusUpdate,
};
use serde_json::{Value, json};

fn folder() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("METACHAT_PAYLOADS") else {
        println!("skipped: METACHAT_PAYLOADS names no folder of recorded posts");
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.join("INDEX.json").is_file(), "{}", folder.display());
    Some(folder)
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn recorded_signatures_verify_for_their_own_body_only() {
    let Some(folder) = folder() else { return };
    let file = json_file(&folder.join("signature-vectors.json"));
    let vectors = file["vectors"].as_array().unwrap();
    let body = |vector: &Value| {
        STANDARD
            .decode(vector["body_base64"].as_str().unwrap())
            .unwrap()
    };
    for vector in vectors {
        let secret = vector["secret"].as_str().unwrap().as_bytes();
        let header = vector["header"].as_str().unwrap().as_bytes();
        for other in vectors {
            let is_own = vector["name"] == other["name"];
            let is_ok = verify(secret, &body(other), header).is_ok();
            assert_eq!(is_ok, is_own, "{} over {}", vector["name"], other["name"]);
        }
        for refused in file["must_reject_headers"].as_array().unwrap() {
            let header = refused.as_str().unwrap().as_bytes();
            assert!(verify(secret, &body(vector), header).is_err(), "{refused}");
        }
    }
}

#[test]
fn recorded_posts_decode_as_their_index_says() {
    let Some(folder) = folder() else { return };
    let index = json_file(&folder.join("INDEX.json"));
    let mut count = 0;
    for (name, about) in index.as_object().unwrap() {
        let of = match name.split('/').next() {
            Some("whatsapp") => ChannelKind::Whatsapp,
            Some("messenger") => ChannelKind::Messenger,
            _ => continue,
        };
        count += 1;
        let items = channel(of)
            .split_items(&fs::read(folder.join(name)).unwrap())
            .unwrap();
        let expected = about["expected"].as_array().unwrap();
        assert_eq!(items.len(), expected.len(), "{name}");
        for (item, expected) in items.iter().zip(expected) {
            let found = match of {
                ChannelKind::Messenger => seen_at_page(item, expected),
                _ => seen(item, expected),
            };
            for (key, value) in expected.as_object().unwrap() {
                if !is_judged_elsewhere(key, expected) {
                    assert_eq!(found.get(key), Some(value), "{name}: {key} in {found}");
                }
            }
        }
        // A tap is a message here, and the index counts it apart; so it does what stands aside.
        let answered: BTreeSet<String> = items
            .iter()
            .filter_map(|item| match channel(of).decode(&item.payload) {
                Ok(Inbound::Message(message)) if is_counted(&message) => Some(message.external_id),
                _ => None,
            })
            .collect();
        assert_eq!(
            json!(answered.len()),
            about["new_messages_after_dedup"],
            "{name}"
        );
    }
    assert!(count > 70, "{count}");
}

/// Fields that the product keeps in the raw item only, or says in its own words.
fn is_judged_elsewhere(key: &str, expected: &Value) -> bool {
    let is_order = expected["type"] == "order";
    let is_event = expected["kind"] == "account_event" || expected["kind"] == "value_error";
    // A title may come with a second line, and a form by its fields.
    let is_selection = expected["type"] == "interactive" && key == "text";
    matches!(key, "pricing" | "group_id")
        || (key == "source" && expected["kind"] != "referral")
        || (is_order && key == "text")
        || is_selection
        || (is_event && matches!(key, "error_codes" | "to" | "ts" | "id"))
        || (expected["kind"] == "status" && matches!(key, "to_phone" | "to_bsuid"))
        || (expected["kind"] == "message_edited" && key == "subtype")
}

fn is_counted(message: &InboundMessage) -> bool {
    let body = &message.content.body;
    let is_postback = matches!(
        body,
        ContentBody::Interactive {
            reply: InteractiveReply::Postback { .. }
        }
    );
    body.expects_answer() && !is_postback
}

/// What was decoded of a page's event, in the words of the index.
fn seen_at_page(item: &RawItem, expected: &Value) -> Value {
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

/// What was decoded, in the words of the index.
fn seen(item: &RawItem, expected: &Value) -> Value {
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
        Inbound::Status(status) => of_status(&status, expected),
        Inbound::Other { kind, .. } if kind == "value_error" => json!({"kind": kind}),
        Inbound::Account(event) => json!({"kind": "account_event", "field": event.kind}),
        Inbound::Other { kind, .. } => json!({"kind": "account_event", "field": kind}),
        other => panic!("{other:?}"),
    };
    seen["waba"] = item.payload["entry_id"].clone();
    seen["channel"] = json!(item.external_channel_id);
    seen
}

fn of_status(status: &StatusUpdate, expected: &Value) -> Value {
    let is_played = expected["status"] == "played" && status.status.as_str() == "read";
    json!({
        "kind": "status",
        "id": status.external_id,
        "ts": status.occurred_at.timestamp().to_string(),
        "status": if is_played { "played" } else { status.status.as_str() },
        "opaque": status.tag,
        "error_codes": status.error_code.map(|code| [code]),
    })
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
    seen["type"] = stored["type"].clone();
    match body {
        ContentBody::Media(media) => {
            seen["type"] = json!(match media.media_kind {
                MediaKind::Image => "image",
                MediaKind::Video => "video",
                MediaKind::Audio => "audio",
                MediaKind::Document => "document",
                MediaKind::Sticker => "sticker",
            });
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
        ContentBody::Edit { target, .. } => {
            seen["kind"] = json!("message_edited");
            seen["target"] = json!(target);
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
        ContentBody::Text { .. }
        | ContentBody::Contacts { .. }
        | ContentBody::Order(_)
        | ContentBody::Parts { .. } => {}
    }
}

fn of_reply(reply: &InteractiveReply, seen: &mut Value) {
    match reply {
        InteractiveReply::Button { id, .. } => {
            seen["subtype"] = json!("button_reply");
            seen["payload"] = json!(id);
        }
        InteractiveReply::List { id, .. } => {
            seen["subtype"] = json!("list_reply");
            seen["payload"] = json!(id);
        }
        InteractiveReply::Form { response, .. } => {
            seen["subtype"] = json!("nfm_reply");
            seen["payload"] = json!(response.as_ref().map(Value::to_string));
        }
        InteractiveReply::TemplateButton { payload, .. } => {
            seen["type"] = json!("button");
            seen["payload"] = json!(payload);
        }
        InteractiveReply::Postback { .. } | InteractiveReply::Unknown { .. } => {}
    }
}

//! What goes wrong in the field, each as a test: a bad part harms nothing beside it, and no body is
//! read in more than its own length.

use std::time::{Duration, Instant};

use channels::{MAX_BODY_BYTES, Post, SignatureError, channel};
use domain::ChannelKind::{Http, Messenger, Whatsapp};
use domain::{
    ChannelKind, ContentBody, Inbound, InteractiveReply, MessageStatus, NormalizedContent,
};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixtures::{items, items_of, message, message_of, post, post_of};
use crate::samples::now;

const META: [ChannelKind; 2] = [Whatsapp, Messenger];

#[test]
fn a_status_never_goes_back_whatever_the_order() {
    let reports: Vec<MessageStatus> = [
        "status-read",
        "status-sent",
        "status-delivered",
        "status-delivered",
        "status-played",
    ]
    .into_iter()
    .map(
        |name| match channel(Whatsapp).decode(&items(name)[0].payload) {
            Ok(Inbound::Status(status)) => status.status,
            other => panic!("{other:?}"),
        },
    )
    .collect();
    let apply = |order: &[MessageStatus]| {
        order.iter().fold(MessageStatus::Sending, |status, next| {
            if status.may_become(*next) {
                *next
            } else {
                status
            }
        })
    };
    assert_eq!(apply(&reports), MessageStatus::Read);
    let mut backwards = reports;
    backwards.reverse();
    assert_eq!(apply(&backwards), MessageStatus::Read);
}

#[test]
fn a_status_for_an_unknown_id_or_number_is_an_item_like_any_other() {
    let items = items("status-unknown-number");
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].external_channel_id, None);
    assert_eq!(
        items[0].external_account_id.as_deref(),
        Some("100000000000001")
    );
    let decoded = channel(Whatsapp).decode(&items[0].payload);
    assert!(matches!(decoded, Ok(Inbound::Status(_))), "{decoded:?}");
}

#[test]
fn a_message_delivered_twice_in_one_post_has_one_id() {
    for (kind, path) in [
        (Whatsapp, "/entry/0/changes/0/value/messages"),
        (Messenger, "/entry/0/messaging"),
    ] {
        let mut post: Value = serde_json::from_slice(&post_of(kind, "text")).unwrap();
        let list = post.pointer_mut(path).unwrap().as_array_mut().unwrap();
        list.push(list[0].clone());
        let items = channel(kind)
            .split_items(post.to_string().as_bytes())
            .unwrap();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].payload, items[1].payload);
    }
}

#[test]
fn an_echo_is_never_a_contacts_message() {
    for (kind, names) in [
        (Whatsapp, &["echo-text", "echo-revoke", "echo-edit"][..]),
        (
            Messenger,
            &[
                "echo-of-ours",
                "echo-of-a-person",
                "echo-of-a-template",
                "echo-the-other-way-round",
            ],
        ),
        (Http, &["echo"]),
    ] {
        for name in names {
            let decoded = channel(kind).decode(&items_of(kind, name)[0].payload);
            assert!(
                matches!(decoded, Ok(Inbound::Echo(_) | Inbound::Status(_))),
                "{kind} {name}: {decoded:?}"
            );
        }
    }
}

#[test]
fn an_echo_names_the_contact_and_not_the_page() {
    for name in ["echo-of-a-person", "echo-the-other-way-round"] {
        let contact = message_of(Messenger, name).contact;
        assert_eq!(contact.external_id, "7000000000000001", "{name}");
    }
}

#[test]
fn reactions_edits_and_deletions_are_not_answered_even_of_unknown_messages() {
    for (kind, name) in [
        (Whatsapp, "reaction"),
        (Whatsapp, "edit"),
        (Whatsapp, "revoke"),
        (Messenger, "reaction"),
        (Messenger, "message-edited"),
        (Messenger, "message-deleted"),
        (Http, "reaction"),
        (Http, "edit"),
        (Http, "revoke"),
    ] {
        let content = message_of(kind, name).content;
        assert!(!content.expects_answer(), "{kind} {name}");
    }
}

#[test]
fn a_contact_without_a_phone_is_known_by_the_user_id() {
    let contact = message("text-bsuid-only").contact;
    assert_eq!(contact.external_id, "US.10000000000000000001");
    assert_eq!(contact.address, "US.10000000000000000001");
}

#[test]
fn ids_may_be_numbers_everywhere() {
    for kind in META {
        let as_text = message_of(kind, "text").contact;
        let as_number = message_of(kind, "text-ids-as-numbers").contact;
        assert_eq!(as_number.external_id, as_text.external_id);
        let items = items_of(kind, "text-ids-as-numbers");
        assert_eq!(
            items[0].external_channel_id,
            items_of(kind, "text")[0].external_channel_id
        );
    }
}

#[test]
fn posts_of_another_product_are_kept_and_not_read() {
    for kind in META {
        for item in items_of(kind, "object-of-another-product") {
            let decoded = channel(kind).decode(&item.payload);
            assert!(
                matches!(&decoded, Ok(Inbound::Other { kind, .. }) if kind.starts_with("object:")),
                "{decoded:?}"
            );
            assert_eq!(item.external_channel_id, None);
        }
    }
}

#[test]
fn while_another_app_has_the_conversation_nothing_is_answered() {
    for item in items_of(Messenger, "standby") {
        let Ok(Inbound::Message(message)) = channel(Messenger).decode(&item.payload) else {
            panic!("{item:?}");
        };
        assert!(message.content.context.standby);
        assert!(!message.content.expects_answer());
    }
}

#[test]
fn a_sticker_that_comes_in_both_forms_is_one() {
    for name in ["sticker", "sticker-as-image", "sticker-as-both"] {
        let content = message_of(Messenger, name).content;
        let ContentBody::Media(media) = &content.body else {
            panic!("{name}: {content:?}");
        };
        assert_eq!(media.media_kind, domain::MediaKind::Sticker, "{name}");
    }
}

#[test]
fn broken_utf_8_is_no_json_and_no_panic() {
    for kind in ChannelKind::ALL {
        let mut body = br#"{"entry":[{"id":""#.to_vec();
        body.extend([0xff, 0xfe]);
        body.extend(br#""}]}"#);
        assert!(channel(*kind).split_items(&body).is_err());
    }
}

#[test]
fn halves_of_characters_and_nul_harm_nothing_in_any_channel() {
    for kind in [Whatsapp, Messenger, Http] {
        let body = String::from_utf8(post_of(kind, "text")).unwrap();
        let body = body.replace("When do you open?", r"cut \ud83d\u0000 here");
        let items = channel(kind).split_items(body.as_bytes()).unwrap();
        let Ok(Inbound::Message(message)) = channel(kind).decode(&items[0].payload) else {
            panic!("{items:?}");
        };
        assert_eq!(message.text, "cut \u{fffd}\u{fffd} here");
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_by_its_length_alone() {
    for kind in ChannelKind::ALL {
        let body = vec![b'['; MAX_BODY_BYTES + 1];
        let error = channel(*kind).split_items(&body).unwrap_err();
        assert!(error.reason.contains("more than"), "{error}");
    }
}

/// JSON is read to 128 levels, and what is kept of a post stands deeper in its row than it stood.
#[test]
fn what_is_taken_of_a_nested_post_reads_back_where_it_is_stored() {
    let whatsapp = String::from_utf8(post_of(Whatsapp, "text")).unwrap();
    let event = r#"{"type": "message", "id": "m-1", "timestamp": 1790416800,
        "contact": {"id": "c-1"}, "content": {"type": "dance", "steps": "When do you open?"}}"#;
    for (kind, body) in [(Whatsapp, whatsapp.as_str()), (Http, event)] {
        let mut taken = 0;
        for levels in 1..=128 {
            let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            let body = body.replace("\"When do you open?\"", &nested);
            let Ok(items) = channel(kind).split_items(body.as_bytes()) else {
                continue;
            };
            taken = levels;
            let stored: Value = serde_json::from_str(&items[0].payload.to_string()).unwrap();
            let Ok(Inbound::Message(message)) = channel(kind).decode(&stored) else {
                panic!("{stored}");
            };
            let content = serde_json::to_string(&message.content).unwrap();
            let read: NormalizedContent = serde_json::from_str(&content).unwrap();
            assert_eq!(read, message.content);
        }
        assert!(taken > 80, "{kind}: {taken}");
        let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
        let error = channel(kind).split_items(deep.as_bytes()).unwrap_err();
        assert!(error.reason.contains("levels"), "{error}");
    }
}

#[test]
fn answers_to_a_form_that_are_nested_too_deep_stay_a_text() {
    let response_of = |levels: usize| {
        let response = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let payload = json!({"message": {
            "id": "wamid.1", "from": "491700000001", "timestamp": "1790416800",
            "type": "interactive", "interactive": {
                "type": "nfm_reply", "nfm_reply": {"name": "flow", "response_json": response},
            },
        }});
        let Ok(Inbound::Message(message)) = channel(Whatsapp).decode(&payload) else {
            panic!("{payload}");
        };
        let content = serde_json::to_string(&message.content).unwrap();
        let read: NormalizedContent = serde_json::from_str(&content).unwrap();
        assert_eq!(read, message.content);
        match message.content.body {
            ContentBody::Interactive {
                reply: InteractiveReply::Form { response, .. },
            } => response.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert!(response_of(20).is_array());
    assert!(response_of(120).is_string());
}

/// A quadratic reader would need minutes for each of these, and a linear one well under a second
/// even where nothing is optimised.
#[test]
fn three_megabytes_are_read_in_linear_time() {
    let many = |unit: &str| unit.repeat(3_000_000 / unit.len());
    let in_entry = |inside: String| format!("{{\"entry\":[{{\"id\":\"1\",{inside}}}]}}");
    let bodies = [
        (Whatsapp, many("[")),
        (Messenger, many("{\"entry\":[")),
        (Http, many("\\ud83d")),
        (Whatsapp, in_entry(format!("\"x\":\"{}\"", many("\\ud83d")))),
        (Whatsapp, format!("{{\"entry\":[{}{{}}]}}", many("{},"))),
        (
            Messenger,
            in_entry(format!("\"messaging\":[{}{{}}]", many("{},"))),
        ),
        (Http, format!("{{\"events\":[{}{{}}]}}", many("[],"))),
    ];
    for (kind, body) in &bodies {
        let start = Instant::now();
        let channel = channel(*kind);
        let _claimed = channel.claimed_channel_ids(body.as_bytes());
        for item in channel.split_items(body.as_bytes()).unwrap_or_default() {
            let _decoded = channel.decode(&item.payload);
        }
        let spent = start.elapsed();
        assert!(
            spent < Duration::from_secs(30),
            "{kind}: {spent:?} for {body:.40}"
        );
    }
}

/// One message of three megabytes is one message, and what is kept beside it is not as long again.
#[test]
fn a_long_part_is_not_kept_twice() {
    let long = "x".repeat(3_000_000);
    let body = json!({"entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": "1"},
        "messages": [{"id": "a", "from": "1", "timestamp": "1790416800", "type": "hologram",
            "hologram": {"x": long}}],
    }}]}]});
    let whatsapp = channel(Whatsapp);
    let items = whatsapp.split_items(body.to_string().as_bytes()).unwrap();
    let Ok(Inbound::Message(message)) = whatsapp.decode(&items[0].payload) else {
        panic!("no message");
    };
    assert!(matches!(
        message.content.body,
        ContentBody::Unsupported { raw: None, .. }
    ));
}

#[test]
fn a_bad_part_of_every_list_leaves_the_rest_readable() {
    for (kind, name, good) in [
        (Whatsapp, "bad-items-among-good", 4),
        (Messenger, "bad-items-among-good", 2),
        (Http, "bad-events-among-good", 2),
    ] {
        let items = items_of(kind, name);
        let readable = items
            .iter()
            .filter(|item| channel(kind).decode(&item.payload).is_ok())
            .count();
        assert_eq!(readable, good, "{kind}");
        assert!(items.len() > 2 * good);
    }
}

#[test]
fn two_pages_in_one_post_are_told_apart() {
    let pages: Vec<Option<String>> = items_of(Messenger, "two-pages")
        .into_iter()
        .map(|item| item.external_channel_id)
        .collect();
    let named = |id: &str| Some(id.to_owned());
    assert_eq!(
        pages,
        [
            named("300000000000001"),
            named("300000000000001"),
            named("300000000000001"),
            named("300000000000009"),
        ]
    );
}

/// The header's value by Meta's rule.
fn sign(secret: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[test]
fn the_old_and_the_new_secret_both_sign_while_one_replaces_the_other() {
    let body = post("text");
    let secrets = [SecretString::from("new"), SecretString::from("old")];
    let both: Vec<&SecretString> = secrets.iter().collect();
    for kind in META {
        let said = |signed_with: &str, secrets: &[&SecretString]| {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_str(&sign(signed_with, &body)).unwrap();
            headers.insert("x-hub-signature-256", value);
            let post = Post {
                headers: &headers,
                body: &body,
                received_at: now(),
            };
            channel(kind)
                .verify(secrets, &post)
                .map(|verified| verified.nth)
        };
        assert_eq!(said("new", &both), Ok(0));
        assert_eq!(said("old", &both), Ok(1));
        assert_eq!(said("old", &both[..1]), Err(SignatureError::Mismatch));
        assert_eq!(
            said("", &[&SecretString::from("")]),
            Err(SignatureError::Mismatch)
        );
    }
}

proptest! {
    #[test]
    fn no_other_body_and_no_other_header_verifies(
        body in prop::collection::vec(any::<u8>(), 0..80),
        other in prop::collection::vec(any::<u8>(), 0..80),
        header in prop::collection::vec(0x20u8.., 0..80),
    ) {
        let secret = SecretString::from("a-secret");
        let said = |body: &[u8], header: &[u8]| {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(header) {
                headers.insert("x-hub-signature-256", value);
            }
            let post = Post { headers: &headers, body, received_at: now() };
            channel(Messenger).verify(&[&secret], &post).is_ok()
        };
        let genuine = sign("a-secret", &body);
        prop_assert!(said(&body, genuine.as_bytes()));
        prop_assert_eq!(said(&other, genuine.as_bytes()), other == body);
        prop_assert!(!said(&body, &header));
    }
}

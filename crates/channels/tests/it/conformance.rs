use channels::{Capabilities, Channel, Delivery, channel, parse, webchat, whatsapp};
use domain::{ChannelKind, Content, Inbound, WebchatSessionId};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixtures::post;

/// What a kind brings to the suite: a genuine post and a configuration full of secrets.
struct Sample {
    post: Vec<u8>,
    config: Value,
}

const SECRET: &str = "hunter2-secret";

fn sample(kind: ChannelKind) -> Sample {
    match kind {
        ChannelKind::Whatsapp => Sample {
            post: post("text"),
            config: json!({"phone_number_id": "1", "access_token": SECRET, "app_secret": SECRET,
                "verify_token": SECRET}),
        },
        ChannelKind::Webchat => Sample {
            post: serde_json::to_vec(&webchat::Item {
                session_id: WebchatSessionId::new(),
                visitor_id: "v".to_owned(),
                client_id: "c".to_owned(),
                text: "hello".to_owned(),
                occurred_at: domain::Clock::system().now(),
            })
            .unwrap(),
            config: json!({"title": "Shop"}),
        },
    }
}

fn each(check: impl Fn(&'static dyn Channel, Sample)) {
    for kind in ChannelKind::ALL {
        let channel = channel(*kind);
        assert_eq!(channel.kind(), *kind);
        check(channel, sample(*kind));
    }
}

#[test]
fn a_bad_signature_is_refused() {
    each(|channel, sample| {
        let secret = SecretString::from(SECRET);
        let zeros = format!("sha256={}", "0".repeat(64));
        for header in [None, Some(&b""[..]), Some(b"\xff"), Some(zeros.as_bytes())] {
            assert!(channel.verify(&secret, &sample.post, header).is_err());
        }
    });
}

#[test]
fn a_redelivery_decodes_to_the_same_message() {
    each(|channel, sample| {
        let decode = || {
            let items = channel.split_items(&sample.post).unwrap();
            assert_eq!(items.len(), 1);
            channel.decode(&items[0].payload).unwrap()
        };
        let first = decode();
        assert!(matches!(&first, Inbound::Message(message) if !message.external_id.is_empty()));
        assert_eq!(decode(), first);
    });
}

#[test]
fn a_stored_item_decodes_as_the_fresh_one() {
    each(|channel, sample| {
        for item in channel.split_items(&sample.post).unwrap() {
            let stored: Value = serde_json::from_str(&item.payload.to_string()).unwrap();
            assert_eq!(channel.decode(&stored), channel.decode(&item.payload));
        }
    });
}

#[test]
fn strange_payloads_are_unreadable_and_nothing_worse() {
    each(|channel, _| {
        for payload in [
            json!(null),
            json!([]),
            json!({}),
            json!("x"),
            json!({"message": {"system": 5}}),
            json!({"status": []}),
            json!({"echo": null}),
        ] {
            assert!(channel.decode(&payload).is_err(), "{payload}");
        }
    });
}

#[test]
fn every_content_encodes_within_the_channels_limit_or_is_unsupported() {
    each(|channel, _| {
        let Capabilities { max_text_units, .. } = channel.capabilities();
        for body in ["hello".to_owned(), "**long** words 👍\n".repeat(1000)] {
            let Ok(pieces) = channel.encode(&Content::Text { body }) else {
                continue;
            };
            assert!(!pieces.is_empty());
            for piece in pieces {
                let units = piece.encode_utf16().count();
                assert!(units > 0 && units <= max_text_units.unwrap_or(usize::MAX));
            }
        }
    });
}

#[test]
fn secrets_are_never_shown() {
    each(|channel, sample| {
        let parsed = parse(channel.kind(), sample.config).unwrap();
        assert!(!format!("{parsed:?}").contains(SECRET));
        assert!(!parsed.public.to_string().contains(SECRET));
        if let Some(sealed) = parsed.secrets {
            let secrets: whatsapp::WhatsappSecrets = serde_json::from_value(sealed).unwrap();
            assert!(!format!("{secrets:?}").contains(SECRET));
            let request = whatsapp::SendRequest {
                phone_number_id: "1",
                to: "2",
                body: "b",
                tag: "t",
                access_token: &secrets.access_token,
            };
            assert!(!format!("{request:?}").contains(SECRET));
        }
    });
}

#[test]
fn what_is_delivered_by_request_is_signed_and_reported() {
    each(|channel, _| {
        let can = channel.capabilities();
        let by_request = can.delivery == Delivery::Request;
        assert_eq!(can.signature_header.is_some(), by_request);
        assert_eq!(can.has_statuses, by_request);
    });
}

//! What every channel must do; a new one is a row in the functions of [`crate::samples`].

use std::collections::BTreeSet;

use channels::{
    Action, Audience, Capabilities, Channel, Citations, Connection, Delivery, HttpRequest,
    Outgoing, Permit, Post, SignatureError, Situation, Upload, channel, parse,
};
use domain::{Author, ChannelKind, Content, Inbound, MediaKind};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::samples::{
    SECRET, answer, choices, config, connect, contents, kept, now, outgoing, post,
};

fn each(check: impl Fn(&'static dyn Channel)) {
    for kind in ChannelKind::ALL {
        let channel = channel(*kind);
        assert_eq!(channel.kind(), *kind);
        check(channel);
    }
}

#[test]
fn a_bad_signature_is_refused_and_no_header_panics() {
    each(|channel| {
        let secret = SecretString::from(SECRET);
        let body = post(channel.kind());
        let zeros = format!("sha256={}", "0".repeat(64));
        let values: [&[u8]; 6] = [
            b"",
            b"\xff\xfe",
            b"v1,",
            b"sha256=",
            zeros.as_bytes(),
            b"1790416800",
        ];
        let names = [
            "x-hub-signature-256",
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ];
        let mut all = vec![HeaderMap::new()];
        for value in values {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.insert(name, HeaderValue::from_bytes(value).unwrap());
            }
            all.push(headers);
        }
        for headers in &all {
            let post = Post {
                headers,
                body: &body,
                received_at: now(),
            };
            assert!(channel.verify(&[&secret], &post).is_err(), "{headers:?}");
            assert!(channel.verify(&[], &post).is_err(), "{headers:?}");
        }
        let bare = Post {
            headers: &all[0],
            body: &body,
            received_at: now(),
        };
        let expected = match channel.capabilities().signature_header {
            Some(_) => SignatureError::Missing,
            None => SignatureError::NotSigned,
        };
        assert_eq!(channel.verify(&[&secret], &bare), Err(expected));
    });
}

#[test]
fn a_redelivery_decodes_to_the_same_message() {
    each(|channel| {
        let body = post(channel.kind());
        let decode = || {
            let items = channel.split_items(&body).unwrap();
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
    each(|channel| {
        for item in channel.split_items(&post(channel.kind())).unwrap() {
            let stored: Value = serde_json::from_str(&item.payload.to_string()).unwrap();
            assert_eq!(channel.decode(&stored), channel.decode(&item.payload));
        }
    });
}

#[test]
fn strange_payloads_are_unreadable_and_nothing_worse() {
    each(|channel| {
        for payload in [
            json!(null),
            json!([]),
            json!({}),
            json!("x"),
            json!({"message": {"system": 5}}),
            json!({"status": []}),
            json!({"echo": null}),
            json!({"event": 5}),
            json!({"event": {"message": {}}}),
        ] {
            assert!(channel.decode(&payload).is_err(), "{payload}");
        }
    });
}

#[test]
fn every_content_is_planned_into_messages_that_encode_or_is_unsupported() {
    each(|channel| {
        let Capabilities { max_text_units, .. } = channel.capabilities();
        let connection = connect(channel.kind());
        for content in contents() {
            let Ok(planned) = channel.plan(&content) else {
                continue;
            };
            assert!(!planned.is_empty());
            for part in &planned {
                assert_eq!(
                    channel.plan(part),
                    Ok(vec![part.clone()]),
                    "planned once is planned"
                );
                if let Content::Text { body } = part {
                    let units = channel.format(body).encode_utf16().count();
                    assert!(units > 0 && units <= max_text_units.unwrap_or(usize::MAX));
                }
                if let Some(connection) = &connection {
                    let request = connection.encode(&outgoing(part));
                    assert!(request.is_ok(), "{part:?}: {request:?}");
                }
            }
        }
        assert!(channel.plan(&Content::text(" \n")).is_err());
        assert_eq!(
            channel.plan(&Content::text("hello")),
            Ok(vec![Content::text("hello")])
        );
    });
}

#[test]
fn no_word_of_a_long_text_is_lost() {
    each(|channel| {
        let sentences: Vec<String> = (0..3000).map(|at| format!("word{at}. ")).collect();
        let text = sentences.concat();
        let found: Vec<String> = channel
            .plan(&Content::text(&text))
            .unwrap()
            .into_iter()
            .map(|part| match part {
                Content::Text { body } => channel.format(&body),
                other => panic!("{other:?}"),
            })
            .collect();
        let found = found.join(" ");
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&found), words(&text));
    });
}

#[test]
fn what_may_not_leave_is_not_encoded() {
    each(|channel| {
        let Some(connection) = connect(channel.kind()) else {
            return;
        };
        let content = Content::text("hello");
        let never = Situation {
            content: &content,
            author: Author::Assistant,
            opened_at: None,
            fallback: None,
            now: now(),
        };
        let has_window = channel.capabilities().reply_window.is_some();
        let permit = channel.permit(&never);
        assert_eq!(matches!(permit, Permit::Refused(_)), has_window);
        let refused = Outgoing {
            permit: &permit,
            ..outgoing(&content)
        };
        assert_eq!(connection.encode(&refused).is_err(), has_window);
        let open = Situation {
            opened_at: Some(now()),
            ..never
        };
        assert_eq!(channel.permit(&open), Permit::Free);
    });
}

#[test]
fn secrets_are_never_shown() {
    each(|channel| {
        let parsed = parse(channel.kind(), config(channel.kind())).unwrap();
        assert!(!format!("{parsed:?}").contains(SECRET));
        assert!(!parsed.public.to_string().contains(SECRET));
        let Some(connection) = connect(channel.kind()) else {
            return;
        };
        assert!(!format!("{connection:?}").contains(SECRET));
        for request in requests(connection.as_ref()) {
            assert!(!format!("{request:?}").contains(SECRET));
            assert!(!request.url.as_str().contains(SECRET));
            for (_, value) in &request.headers {
                assert!(!value.to_str().unwrap().contains(SECRET));
            }
        }
    });
}

/// Every request a connection describes by itself.
fn requests(connection: &dyn Connection) -> Vec<HttpRequest> {
    let text = Content::text("hello");
    let to = "7000000000000001";
    let actions = [
        Action::MarkRead { to, message: "m" },
        Action::Typing { to, message: "m" },
        Action::TypingOff { to },
        Action::TakeThread { to },
        Action::PassThread { to, note: "n" },
    ];
    let mut requests = vec![connection.encode(&outgoing(&text)).unwrap()];
    requests.extend(
        actions
            .into_iter()
            .flat_map(|action| connection.act(action)),
    );
    requests.extend(
        connection
            .checks(now())
            .into_iter()
            .map(|check| check.request),
    );
    requests.extend(connection.subscribe());
    requests
}

#[test]
fn only_an_operators_own_address_is_called_without_a_guard() {
    each(|channel| {
        let Some(connection) = connect(channel.kind()) else {
            return;
        };
        for request in requests(connection.as_ref()) {
            let is_operator = request.url.host_str() == Some("graph.example");
            assert_eq!(request.audience == Audience::Operator, is_operator);
            assert_eq!(request.bearer.is_some(), is_operator);
        }
    });
}

#[test]
fn what_a_channel_says_it_can_do_it_can() {
    each(|channel| {
        let can = channel.capabilities();
        let connection = connect(channel.kind());
        let by_request = can.delivery == Delivery::Request;
        assert_eq!(connection.is_some(), by_request);
        assert_eq!(can.signature_header.is_some(), by_request);
        assert_eq!(can.has_statuses, by_request);
        let is_carried = |content: &Content| {
            channel
                .plan(content)
                .is_ok_and(|planned| planned == [content.clone()])
        };
        assert_eq!(is_carried(&choices(&["Now", "Later"])), can.has_choices);
        assert_eq!(is_carried(&kept(MediaKind::Image)), can.has_media);
        let template = contents().remove(7);
        assert_eq!(channel.plan(&template).is_ok(), can.has_templates);
        if let Some(connection) = connection {
            let bytes = bytes::Bytes::from_static(b"x");
            let file = Upload {
                media_kind: MediaKind::Document,
                mime_type: "text/plain",
                filename: "a.txt",
                bytes: &bytes,
            };
            let uploading = connection.upload(&file).unwrap();
            assert_eq!(uploading.is_some(), can.has_uploads);
            let typing = Action::Typing {
                to: "1",
                message: "m",
            };
            assert_eq!(!connection.act(typing).is_empty(), can.has_typing);
            assert!(!connection.checks(now()).is_empty());
        }
    });
}

#[test]
fn answers_that_say_nothing_are_never_a_success_twice() {
    each(|channel| {
        let Some(connection) = connect(channel.kind()) else {
            return;
        };
        for status in [300, 400, 401, 403, 404, 410, 429, 500, 502, 599] {
            for body in [
                &b""[..],
                b"<html>",
                b"{}",
                b"{\"error\":{\"code\":190}}",
                b"\xff",
            ] {
                let answer = answer(status, body.to_vec());
                assert!(connection.read_sent("tag", &answer).is_err(), "{status}");
            }
        }
        let is_harmless = channel.capabilities().has_idempotent_sends;
        assert_eq!(
            connection.read_sent("tag", &answer(200, "")).is_ok(),
            is_harmless
        );
        for kind in connection.checks(now()).iter().map(|check| check.kind) {
            let none = connection.read_check(kind, None);
            assert_eq!(none.health, channels::Health::Unknown);
        }
    });
}

#[test]
fn limits_hold_no_address_and_no_two_contacts_share_a_pair() {
    each(|channel| {
        let Some(connection) = connect(channel.kind()) else {
            return;
        };
        let content = Content::text("hello");
        let keys = |to| -> BTreeSet<String> {
            let limits = connection.limits(&content, to);
            assert!(
                limits
                    .iter()
                    .all(|limit| limit.burst > 0 && !limit.every.is_zero())
            );
            limits.into_iter().map(|limit| limit.key).collect()
        };
        assert!(
            keys("15550002222")
                .iter()
                .all(|key| !key.contains("15550002222"))
        );
        assert_eq!(keys("15550002222"), keys("15550002222"));
    });
}

#[test]
fn a_source_is_shown_or_hidden_and_never_doubled() {
    each(|channel| {
        let text = "Thirty days.";
        for citations in [Citations::Listed, Citations::Hidden, Citations::Beside] {
            assert_eq!(channel.cite(text, &[], citations), text);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_planned_within_the_limits(text in "(\\PC{0,40}|\\*\\*|```|\n|\\|){0,60}") {
        for kind in ChannelKind::ALL {
            let channel = channel(*kind);
            let max_units = channel.capabilities().max_text_units.unwrap_or(usize::MAX);
            let connection = connect(*kind);
            for part in channel.plan(&Content::text(&text)).unwrap_or_default() {
                let encoded = connection.as_ref().map(|it| it.encode(&outgoing(&part)));
                prop_assert!(encoded.is_none_or(|encoded| encoded.is_ok()), "{:?}", part);
                let Content::Text { body } = part else { continue };
                prop_assert!(channel.format(&body).encode_utf16().count() <= max_units);
            }
        }
    }
}

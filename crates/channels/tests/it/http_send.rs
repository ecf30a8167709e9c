use std::str::FromStr;

use bytes::Bytes;
use channels::{
    Audience, HttpRequest, Outgoing, Post, RequestBody, SendClass, SignatureError, channel,
};
use domain::{ChannelKind, Content, Inbound};
use http::HeaderMap;
use secrecy::SecretString;
use secrets::WebhookSecret;
use serde_json::{Value, json};

use crate::samples::{SECRET, answer, choices, connect, now, outgoing};

const KIND: ChannelKind = ChannelKind::Http;

fn parts(request: &HttpRequest) -> (HeaderMap, Bytes) {
    let headers = request.headers.iter().cloned().collect();
    match &request.body {
        RequestBody::SignedJson(body) => (headers, body.clone()),
        _ => panic!("not signed"),
    }
}

fn verify(headers: &HeaderMap, body: &[u8], after_seconds: i64) -> Result<usize, SignatureError> {
    let secrets = [
        SecretString::from("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        SecretString::from(SECRET),
    ];
    let post = Post {
        headers,
        body,
        received_at: now() + chrono::Duration::seconds(after_seconds),
    };
    let secrets: Vec<&SecretString> = secrets.iter().collect();
    channel(KIND)
        .verify(&secrets, &post)
        .map(|verified| verified.nth)
}

#[test]
fn a_message_is_posted_signed_to_the_tenants_address() {
    let content = choices(&["Now", "Later"]);
    let request = connect(KIND)
        .unwrap()
        .encode(&Outgoing {
            reply_to: Some("in-1"),
            ..outgoing(&content)
        })
        .unwrap();
    assert_eq!(request.url.as_str(), "https://shop.example/chat");
    assert_eq!(request.audience, Audience::Stranger);
    let (headers, body) = parts(&request);
    assert_eq!(
        headers["webhook-id"],
        "0198c1de-7a3f-7c1e-9d54-6a2f0c3b8e11"
    );
    assert_eq!(
        headers["webhook-timestamp"],
        now().timestamp().to_string().as_str()
    );
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        json,
        json!({
            "type": "message",
            "id": "0198c1de-7a3f-7c1e-9d54-6a2f0c3b8e11",
            "timestamp": "2026-09-26T10:00:00.000Z",
            "to": "7000000000000001",
            "author": "assistant",
            "text": "When shall we call?\n\n1. Now\n2. Later",
            "content": {
                "type": "choices", "body": "When shall we **call**?", "footer": null,
                "label": null, "choices": [
                    {"id": "choice-0", "title": "Now", "description": null},
                    {"id": "choice-1", "title": "Later", "description": null},
                ],
            },
            "reply_to": "in-1",
        })
    );
    let read: Content = serde_json::from_value(json["content"].clone()).unwrap();
    assert_eq!(read, content);
}

#[test]
fn both_sides_sign_alike_and_each_verifies_the_other() {
    let content = Content::text("hello");
    let request = connect(KIND).unwrap().encode(&outgoing(&content)).unwrap();
    let (headers, body) = parts(&request);
    let header = headers["webhook-signature"].to_str().unwrap();
    let secret = WebhookSecret::from_str(SECRET).unwrap();
    let at = now().timestamp();
    let id = outgoing(&content).tag;
    assert_eq!(secret.verify(header, id, at, &body, at), Ok(()));
    assert_eq!(verify(&headers, &body, 0), Ok(1));
    assert_eq!(verify(&headers, &body, 301), Err(SignatureError::TooOld));
    assert_eq!(verify(&headers, b"{}", 0), Err(SignatureError::Mismatch));
    // What we post is no event that is taken in, should it be sent back.
    let items = channel(KIND).split_items(&body).unwrap();
    assert!(channel(KIND).decode(&items[0].payload).is_err());
}

#[test]
fn the_answer_names_the_message_or_it_keeps_ours() {
    let connection = connect(KIND).unwrap();
    let sent = |body: &'static str| connection.read_sent("m-1", &answer(200, body)).unwrap();
    assert_eq!(sent(r#"{"id":"theirs"}"#).external_id, "theirs");
    assert_eq!(sent(r#"{"id":7}"#).external_id, "7");
    for body in ["", "ok", "{}", r#"{"id":""}"#] {
        assert_eq!(sent(body).external_id, "m-1");
    }
    for (status, class) in [
        (408, SendClass::Retry { after: None }),
        (429, SendClass::Retry { after: None }),
        (503, SendClass::Retry { after: None }),
        (302, SendClass::Config),
        (401, SendClass::Config),
        (404, SendClass::Config),
        (410, SendClass::ChannelBlocked),
        (400, SendClass::Permanent),
        (422, SendClass::Permanent),
    ] {
        let body = r#"{"error":"no such person"}"#;
        let error = connection
            .read_sent("m-1", &answer(status, body))
            .unwrap_err();
        assert_eq!(error.class, class, "{status}");
        assert_eq!(
            error.to_string(),
            format!("the system answered {status}: no such person")
        );
    }
}

#[test]
fn a_ping_is_signed_and_stays_an_event() {
    let connection = connect(KIND).unwrap();
    let check = connection.checks(now()).remove(0);
    let (headers, body) = parts(&check.request);
    assert_eq!(verify(&headers, &body, 0), Ok(1));
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["type"], "ping");
    let items = channel(KIND).split_items(&body).unwrap();
    let decoded = channel(KIND).decode(&items[0].payload);
    assert!(matches!(decoded, Ok(Inbound::Other { kind, .. }) if kind == "ping"));
}

/// What is sent to one installation can be what another takes in: encode and decode agree.
#[test]
fn the_content_of_a_text_reads_back_as_the_same_text() {
    let content = Content::text("We open at **nine**.");
    let request = connect(KIND).unwrap().encode(&outgoing(&content)).unwrap();
    let (_, body) = parts(&request);
    let mut event: Value = serde_json::from_slice(&body).unwrap();
    event["contact"] = json!({"id": event["to"]});
    let items = channel(KIND)
        .split_items(event.to_string().as_bytes())
        .unwrap();
    let Ok(Inbound::Message(message)) = channel(KIND).decode(&items[0].payload) else {
        panic!("{items:?}");
    };
    assert_eq!(message.external_id, outgoing(&content).tag);
    assert_eq!(message.text, "We open at **nine**.");
    assert_eq!(message.occurred_at, now());
}

#[test]
fn an_id_that_no_row_can_hold_is_kept_as_far_as_it_goes() {
    let connection = connect(KIND).unwrap();
    let sent = |body: &'static str| connection.read_sent("t-1", &answer(200, body)).unwrap();
    assert_eq!(
        sent(r#"{"id": "a\u0000b\ud83d"}"#).external_id,
        "a\u{fffd}b\u{fffd}"
    );
    assert_eq!(sent(r#"{"id": ""}"#).external_id, "t-1");
}

//! What the checks of a connection find.

use channels::{CheckKind, Health, RequestBody};
use domain::ChannelKind;
use serde_json::{Value, json};

use crate::samples::{answer, connect, now};

#[test]
fn checks_tell_a_dead_token_from_a_missing_subscription() {
    let connection = connect(ChannelKind::Whatsapp).unwrap();
    let checks = connection.checks(now());
    let paths: Vec<&str> = checks
        .iter()
        .map(|check| check.request.url.path())
        .collect();
    assert_eq!(
        paths,
        [
            "/v25.0/200000000000001",
            "/v25.0/100000000000001/subscribed_apps"
        ]
    );
    let found = |kind, status, body: &'static str| {
        connection
            .read_check(kind, Some(&answer(status, body)))
            .health
    };
    let own = r#"{"id":"200000000000001","quality_rating":"GREEN"}"#;
    let worse = r#"{"id":200000000000001,"quality_rating":"RED"}"#;
    let app = r#"{"data":[{"whatsapp_business_api_data":{"id":"900000000000001"}}]}"#;
    let credentials = [
        (200, own, Health::Working),
        (200, worse, Health::Warned),
        (200, r#"{"id":"5"}"#, Health::Misconfigured),
        (401, r#"{"error":{"code":190}}"#, Health::TokenDead),
        (400, r#"{"error":{"code":368}}"#, Health::Restricted),
        (400, r#"{"error":{"code":100}}"#, Health::Misconfigured),
        (503, "", Health::Unknown),
    ];
    for (status, body, health) in credentials {
        assert_eq!(
            found(CheckKind::Credentials, status, body),
            health,
            "{body}"
        );
    }
    for (body, health) in [
        (r#"{"data":[]}"#, Health::Unsubscribed),
        (app, Health::Working),
    ] {
        assert_eq!(found(CheckKind::Subscription, 200, body), health, "{body}");
    }
    assert!(connection.subscribe().is_some());
}

#[test]
fn a_page_that_lost_its_subscription_is_found_and_asks_for_it_again() {
    let connection = connect(ChannelKind::Messenger).unwrap();
    let found = |kind, status, body: Value| {
        let answer = answer(status, body.to_string());
        connection.read_check(kind, Some(&answer)).health
    };
    let app =
        |fields: &[&str]| json!({"data": [{"id": "900000000000001", "subscribed_fields": fields}]});
    let subscription = CheckKind::Subscription;
    assert_eq!(
        found(subscription, 200, app(&["messages", "messaging_postbacks"])),
        Health::Working
    );
    assert_eq!(
        found(subscription, 200, app(&["messages"])),
        Health::Unsubscribed
    );
    assert_eq!(
        found(subscription, 200, json!({"data": []})),
        Health::Unsubscribed
    );
    let expired = json!({"error": {"code": 190, "message": "expired"}});
    assert_eq!(
        found(CheckKind::Credentials, 400, expired),
        Health::TokenDead
    );
    let own = json!({"id": "300000000000001", "name": "Shop"});
    assert_eq!(found(CheckKind::Credentials, 200, own), Health::Working);
    assert_eq!(
        found(CheckKind::Credentials, 200, json!({"id": "5"})),
        Health::Misconfigured
    );
    let request = connection.subscribe().unwrap();
    assert!(
        request
            .url
            .path()
            .ends_with("/300000000000001/subscribed_apps")
    );
    let RequestBody::Json(body) = request.body else {
        panic!("no JSON");
    };
    let fields = body["subscribed_fields"].as_str().unwrap();
    assert!(fields.starts_with("messages,messaging_postbacks,"));
}

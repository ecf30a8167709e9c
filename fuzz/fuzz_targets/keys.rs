//! Small texts that come from outside and have one form: cursors, keys, tokens, trace headers, keys
//! of files and limits. What is read is written the same way again, and nothing else is read.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use domain::Cursor;
use files::FileKey;
use jobs::control::LimitKey;
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret as _;
use secrets::{ApiKey, Keyring, MasterKey, VisitorClaims};
use telemetry::trace::TraceContext;
use uuid::Uuid;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fuzz_target!(|text: &str| {
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode(), text);
        cursor.key::<i64>().ok();
        cursor.key::<Uuid>().ok();
    }
    let cursor = Cursor::after(text);
    if let Ok(again) = Cursor::decode(&cursor.encode()) {
        assert_eq!(again, cursor);
    }
    if let Ok(key) = text.parse::<ApiKey>() {
        assert_eq!(key.secret().expose_secret(), text);
        assert!(!format!("{key:?}").contains(text));
    }
    round_trip::<FileKey>(text);
    if let Ok(context) = text.parse::<TraceContext>() {
        let written = context.to_string();
        assert_eq!(written.parse(), Ok(context));
        assert_eq!(written[3..52], text[3..52], "numbers stay");
    }
    if let Ok(key) = LimitKey::parse(text) {
        let again = LimitKey::parse(key.as_str()).expect("a key reads back");
        assert_eq!(again, key);
        assert_eq!(again.scope(), key.scope());
        assert!(text.eq_ignore_ascii_case(key.as_str()) || text.contains("tenant:"));
    }
    check_token(text);
});

/// What is read is written the same way.
fn round_trip<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text);
    }
}

/// No text is a visitor's token but those that were signed, and a changed one is none.
fn check_token(text: &str) {
    let Ok(key) = KEY.parse::<MasterKey>() else {
        panic!("the key is in its form");
    };
    let keyring = Keyring::new(key, Vec::new());
    assert!(VisitorClaims::verify(text, &keyring, 0).is_err());
    let claims = VisitorClaims {
        session: Uuid::from_u128(1),
        visitor: text.chars().take(128).collect(),
        channel: Uuid::from_u128(2),
        issued_at: 1,
        expires_at: 10,
    };
    let token = claims.sign(&keyring);
    let token = token.expose_secret();
    assert_eq!(VisitorClaims::verify(token, &keyring, 9), Ok(claims));
    assert!(VisitorClaims::verify(token, &keyring, 10).is_err());
    let changed = format!("{token}{text}");
    assert_eq!(
        VisitorClaims::verify(&changed, &keyring, 9).is_ok(),
        text.is_empty()
    );
}

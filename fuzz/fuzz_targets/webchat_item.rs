//! What a visitor of the web chat sends: an item that is taken decodes to the message it was, and one
//! that was stored by others is checked again.
#![no_main]

use channels::Channel as _;
use channels::webchat::{Item, MAX_CLIENT_ID_CHARS, MAX_TEXT_CHARS, Webchat};
use domain::Inbound;
use fuzz::check_message;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Ok(payload) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    if let Ok(Inbound::Message(message)) = Webchat.decode(&payload) {
        assert!(!message.external_id.is_empty());
    }
    let Ok(item) = serde_json::from_value::<Item>(payload) else {
        return;
    };
    let (client_id, text) = (item.client_id.clone(), item.text.clone());
    let session = item.session_id.to_string();
    let year = item.occurred_at.timestamp();
    let Ok(raw) = item.into_raw_item() else {
        return;
    };
    assert!(client_id.chars().count() <= MAX_CLIENT_ID_CHARS);
    assert!(text.chars().count() <= MAX_TEXT_CHARS);
    let Ok(Inbound::Message(message)) = Webchat.decode(&raw.payload) else {
        panic!("an item that was taken is none: {raw:?}");
    };
    assert_eq!(message.external_id, format!("{session}:{client_id}"));
    // Our own clock gives the time: no other one is held to be possible.
    if (0..4_102_444_800).contains(&year) {
        check_message(&message);
    }
});

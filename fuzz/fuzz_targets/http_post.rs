//! The generic channel's posts: whatever comes, every event is an item of its own that can be stored
//! and decoded later, and keeps its id.
#![no_main]

use channels::http_channel::{HttpChannel, MAX_EVENTS, MAX_TEXT_CHARS};
use channels::{Channel as _, RawKind};
use domain::{ContentBody, Inbound};
use fuzz::check_items;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    assert_eq!(HttpChannel.claimed_channel_ids(body), Ok(Vec::new()));
    let items = match HttpChannel.split_items(body) {
        Ok(items) => items,
        Err(unreadable) => return assert!(!unreadable.reason.is_empty()),
    };
    assert!(items.len() <= MAX_EVENTS);
    check_items(&HttpChannel, &items);
    for item in &items {
        let decoded = HttpChannel.decode(&item.payload);
        let event = &item.payload["event"];
        assert_eq!(event.is_object(), item.kind != RawKind::Unreadable);
        let Ok(Inbound::Message(message) | Inbound::Echo(message)) = decoded else {
            continue;
        };
        assert_eq!(
            event["id"]
                .as_str()
                .map_or(event["id"].to_string(), str::to_owned),
            message.external_id
        );
        if let ContentBody::Text { body } = &message.content.body {
            assert!((1..=MAX_TEXT_CHARS).contains(&body.chars().count()));
        }
    }
});

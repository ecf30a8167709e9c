//! Messenger's posts: whatever comes, every item can be stored and decoded later, every event comes
//! through in its order, and no item speaks for a page whose secret was not asked for.
#![no_main]

use channels::messenger::Messenger;
use channels::{Channel as _, ClaimError};
use fuzz::{check_items, claims_cover};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let claimed = Messenger.claimed_channel_ids(body);
    let items = match Messenger.split_items(body) {
        Ok(items) => items,
        Err(unreadable) => return assert!(!unreadable.reason.is_empty()),
    };
    match &claimed {
        Ok(claimed) => claims_cover(claimed, &items),
        Err(ClaimError::TooMany) => {}
        Err(ClaimError::NotJson) => panic!("what is not JSON was taken apart"),
    }
    check_items(&Messenger, &items);
    let Ok(post) = serde_json::from_slice::<Value>(body) else {
        // Half a surrogate pair, which is mended before it is read.
        return;
    };
    if post["object"] == "page" {
        let kept = items.iter().filter_map(|item| item.payload.get("event"));
        let kept: Vec<Option<String>> = kept.map(mid).collect();
        let posted: Vec<Option<String>> = events(&post).map(mid).collect();
        assert_eq!(posted, kept);
    }
});

/// Every event of a page, found by another way than the product's.
fn events(post: &Value) -> impl Iterator<Item = &Value> {
    let entries = post["entry"].as_array().into_iter().flatten();
    entries
        .flat_map(|entry| ["messaging", "standby"].map(|name| &entry[name]))
        .flat_map(|list| list.as_array().into_iter().flatten())
        .filter(|event| event.is_object())
}

fn mid(event: &Value) -> Option<String> {
    let mid = event["message"]["mid"].as_str()?;
    Some(mid.replace('\0', "\u{fffd}"))
}

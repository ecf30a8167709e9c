//! WhatsApp's posts: whatever comes, every item can be stored and decoded later, every message's id
//! comes through in its order, and no item speaks for a number whose secret was not asked for.
#![no_main]

use channels::whatsapp::{Whatsapp, claimed_channel_ids};
use channels::{Channel as _, ClaimError, RawKind};
use fuzz::{check_items, claims_cover};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let claimed = claimed_channel_ids(body);
    let items = match Whatsapp.split_items(body) {
        Ok(items) => items,
        Err(unreadable) => return assert!(!unreadable.reason.is_empty()),
    };
    match &claimed {
        Ok(claimed) => claims_cover(claimed, &items),
        Err(ClaimError::TooMany) => {}
        Err(ClaimError::NotJson) => panic!("what is not JSON was taken apart"),
    }
    check_items(&Whatsapp, &items);
    let Ok(post) = serde_json::from_slice::<Value>(body) else {
        // Half a surrogate pair, which is mended before it is read.
        return;
    };
    let posted: Vec<&Value> = messages(&post).collect();
    let kept = items.iter().filter(|item| item.kind == RawKind::Message);
    let kept: Vec<&Value> = kept
        .filter_map(|item| item.payload.get("message"))
        .collect();
    assert_eq!(ids(&posted), ids(&kept));
});

/// Every message of the product's own posts, found by another way than the product's.
fn messages(post: &Value) -> impl Iterator<Item = &Value> {
    let is_ours = !matches!(&post["object"], Value::String(name)
        if !name.is_empty() && name != "whatsapp_business_account")
        && !post["object"].is_i64()
        && !post["object"].is_u64();
    post["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(move |_| is_ours)
        .flat_map(|entry| entry["changes"].as_array().into_iter().flatten())
        .flat_map(|change| change["value"]["messages"].as_array().into_iter().flatten())
}

fn ids(messages: &[&Value]) -> Vec<Option<String>> {
    let id = |message: &&Value| {
        message["id"]
            .as_str()
            .map(|id| id.replace('\0', "\u{fffd}"))
    };
    messages.iter().map(id).collect()
}

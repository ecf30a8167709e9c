use std::collections::BTreeSet;

use channels::whatsapp::claimed_channel_ids;

use crate::expected::EXPECTED;
use crate::fixtures::{items, post};

/// Secrets are chosen by the claims: an item of a number that was not claimed would go unchecked.
#[test]
fn every_number_of_an_item_is_claimed() {
    for (name, _) in EXPECTED {
        let claimed: BTreeSet<String> = claimed_channel_ids(&post(name))
            .unwrap()
            .into_iter()
            .collect();
        let of_items: BTreeSet<String> = items(name)
            .into_iter()
            .filter_map(|item| item.external_channel_id)
            .collect();
        assert_eq!(claimed, of_items, "{name}");
    }
    assert_eq!(
        claimed_channel_ids(&post("two-businesses")).unwrap(),
        ["200000000000001", "200000000000009"]
    );
}

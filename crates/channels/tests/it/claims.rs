use std::collections::BTreeSet;

use channels::channel;
use domain::ChannelKind;

use crate::fixtures::{items_of, names_of, post_of};

/// Secrets are chosen by the claims: an item of a number or page that was not claimed would go
/// unchecked.
#[test]
fn everything_an_item_is_for_is_claimed() {
    for kind in [ChannelKind::Whatsapp, ChannelKind::Messenger] {
        for name in names_of(kind) {
            let claimed: BTreeSet<String> = channel(kind)
                .claimed_channel_ids(&post_of(kind, &name))
                .unwrap()
                .into_iter()
                .collect();
            let of_items: BTreeSet<String> = items_of(kind, &name)
                .into_iter()
                .filter_map(|item| item.external_channel_id)
                .collect();
            assert!(of_items.is_subset(&claimed), "{kind} {name}");
        }
    }
    let claimed = |kind, name| {
        channel(kind)
            .claimed_channel_ids(&post_of(kind, name))
            .unwrap()
    };
    assert_eq!(
        claimed(ChannelKind::Whatsapp, "two-businesses"),
        ["200000000000001", "200000000000009"]
    );
    assert_eq!(
        claimed(ChannelKind::Messenger, "two-pages"),
        ["300000000000001", "300000000000009"]
    );
    assert_eq!(claimed(ChannelKind::Http, "text"), [""; 0]);
}

use channels::{Channel, RawItem};
use domain::{ContentBody, Inbound, InboundMessage, NormalizedContent};
use serde_json::Value;

/// Names in a post are cut to so many characters where they are repeated.
const NAME_CHARS: usize = 256;

/// Checks what holds for every item of every channel: it can be stored as `jsonb` and read back, and
/// what is decoded of it is the same whenever it is decoded, and can be stored too.
pub fn check_items(channel: &dyn Channel, items: &[RawItem]) {
    for item in items {
        let written = item.payload.to_string();
        assert!(!holds_nul(&item.payload), "NUL cannot be stored: {written}");
        let read: Value = serde_json::from_str(&written).expect("a stored item reads back");
        assert_eq!(read, item.payload);
        let decoded = channel.decode(&item.payload);
        assert_eq!(channel.decode(&read), decoded);
        match decoded {
            Ok(Inbound::Message(message) | Inbound::Echo(message)) => check_message(&message),
            Ok(Inbound::Status(status)) => check_id(&status.external_id, 512),
            Ok(Inbound::Receipt(receipt)) => {
                check_id(&receipt.contact_external_id, 256);
                receipt.external_ids.iter().for_each(|id| check_id(id, 512));
                assert!(receipt.up_to.is_some() || !receipt.external_ids.is_empty());
            }
            Ok(Inbound::Handover(handover)) => check_id(&handover.contact_external_id, 256),
            Ok(Inbound::Account(_) | Inbound::Other { .. }) => {}
            Err(unreadable) => assert!(!unreadable.reason.is_empty()),
        }
    }
}

/// Checks what the rest of the product relies on in a message.
pub fn check_message(message: &InboundMessage) {
    check_id(&message.external_id, 512);
    check_id(&message.contact.external_id, 512);
    check_id(&message.contact.address, 256);
    assert!(!message.text.contains('\0'));
    assert!((0..4_102_444_800).contains(&message.occurred_at.timestamp()));
    assert_eq!(message.text, message.content.body.plain_text());
    if !matches!(message.content.body, ContentBody::Text { .. }) {
        // What is no text says in brackets what it is, unless its author gave it words.
        assert!(!message.text.is_empty() || is_worded(&message.content.body));
    }
    let written = serde_json::to_string(&message.content).expect("a content can be written");
    let value: Value = serde_json::from_str(&written).expect("a content is JSON");
    assert!(!holds_nul(&value), "NUL cannot be stored: {written}");
    let read: NormalizedContent =
        serde_json::from_str(&written).expect("a stored content reads back");
    assert_eq!(read, message.content);
}

/// Whether a text or a name inside holds NUL.
pub fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a content's text is what its author wrote, which may be nothing.
fn is_worded(body: &ContentBody) -> bool {
    match body {
        ContentBody::Text { .. } | ContentBody::Interactive { .. } => true,
        ContentBody::Edit { content, .. } => is_worded(content),
        ContentBody::Parts { parts } => parts.iter().all(is_worded),
        _ => false,
    }
}

fn check_id(id: &str, max_bytes: usize) {
    assert!(!id.is_empty() && id.len() <= max_bytes, "{id:?}");
    assert!(!id.contains('\0'), "{id:?}");
}

/// Checks that no item names a channel whose secrets were not among those that could have signed
/// the post: a forger would sign with his own, and speak for another.
pub fn claims_cover(claimed: &[String], items: &[RawItem]) {
    let cut = |id: &String| id.chars().take(NAME_CHARS).collect::<String>();
    let claimed: Vec<String> = claimed
        .iter()
        .map(|id| cut(&id.replace('\0', "\u{fffd}")))
        .collect();
    for item in items {
        if let Some(named) = &item.external_channel_id {
            assert!(
                claimed.contains(named),
                "{named:?} was not claimed: {claimed:?}"
            );
        }
    }
}

use serde_json::{Map, Value};

use super::field;
use crate::lenient::{flag, read_json, shorten, text};
use crate::{RawItem, RawKind, Unreadable};

/// The most items one post may hold; Meta sends at most 1000 updates.
///
/// Source: <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>, 2026-05.
const MAX_ITEMS: usize = 5000;

/// The `object` of the product's own posts.
pub(super) const OBJECT: &str = "page";

/// Takes one post apart, see [`crate::Channel::split_items`].
pub(super) fn split_items(body: &[u8]) -> Result<Vec<RawItem>, Unreadable> {
    let post = read_json(body)?;
    let Some(entries) = post.get("entry").and_then(Value::as_array) else {
        return Err(Unreadable::new("the body has no list `entry`"));
    };
    let mut items = Items::default();
    let object = text(&post, "object");
    for entry in entries {
        let mut head = Map::new();
        if let Some(object) = &object {
            head.insert(field::OBJECT.to_owned(), shorten(object.clone()).into());
        }
        if object.as_deref().is_some_and(|name| name != OBJECT) {
            items.add(&head, RawKind::Event, field::VALUE, entry)?;
        } else {
            items.add_entry(head, entry)?;
        }
    }
    Ok(items.0)
}

#[derive(Default)]
struct Items(Vec<RawItem>);

impl Items {
    fn add(
        &mut self,
        head: &Map<String, Value>,
        kind: RawKind,
        name: &str,
        part: &Value,
    ) -> Result<(), Unreadable> {
        if self.0.len() == MAX_ITEMS {
            return Err(Unreadable::new(format!(
                "the body holds more than {MAX_ITEMS} items"
            )));
        }
        let page = head.get(field::PAGE_ID).and_then(Value::as_str);
        let mut payload = head.clone();
        payload.insert(name.to_owned(), part.clone());
        self.0.push(RawItem {
            external_channel_id: page.map(str::to_owned),
            external_account_id: None,
            kind,
            payload: Value::Object(payload),
        });
        Ok(())
    }

    fn add_entry(&mut self, mut head: Map<String, Value>, entry: &Value) -> Result<(), Unreadable> {
        if !entry.is_object() {
            return self.add(&head, RawKind::Unreadable, field::MALFORMED, entry);
        }
        for (from, to) in [("id", field::PAGE_ID), ("time", field::TIME)] {
            if let Some(value) = text(entry, from) {
                head.insert(to.to_owned(), shorten(value).into());
            }
        }
        let before = self.0.len();
        for name in ["messaging", "standby", "changes"] {
            match entry.get(name) {
                Some(Value::Array(parts)) => {
                    for part in parts {
                        self.add_part(&head, name, part)?;
                    }
                }
                None | Some(Value::Null) => {}
                Some(other) => {
                    self.add(&head, RawKind::Unreadable, field::MALFORMED, other)?;
                }
            }
        }
        if self.0.len() == before {
            self.add(&head, RawKind::Event, field::VALUE, entry)?;
        }
        Ok(())
    }

    fn add_part(
        &mut self,
        head: &Map<String, Value>,
        list: &str,
        part: &Value,
    ) -> Result<(), Unreadable> {
        if !part.is_object() {
            return self.add(head, RawKind::Unreadable, field::MALFORMED, part);
        }
        match list {
            "changes" => self.add(head, RawKind::Event, field::CHANGE, part),
            "standby" => {
                let mut head = head.clone();
                head.insert(field::STANDBY.to_owned(), true.into());
                self.add(&head, kind_of(part), field::EVENT, part)
            }
            _ => self.add(head, kind_of(part), field::EVENT, part),
        }
    }
}

fn kind_of(event: &Value) -> RawKind {
    const FROM_CONTACTS: [&str; 6] = [
        "postback",
        "message_edit",
        "reaction",
        "referral",
        "optin",
        "account_linking",
    ];
    let has = |name: &str| event.get(name).is_some_and(|part| !part.is_null());
    match event.get("message") {
        Some(message) if flag(message, "is_echo") => RawKind::Echo,
        Some(message) if !message.is_null() => RawKind::Message,
        _ if has("delivery") || has("read") => RawKind::Status,
        _ if FROM_CONTACTS.into_iter().any(has) => RawKind::Message,
        _ => RawKind::Event,
    }
}

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::field;
use crate::lenient::{list, read_json, shorten, text};
use crate::{RawItem, RawKind, Unreadable};

/// The most items one post may hold; Meta sends at most 1000 updates.
///
/// Source: <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>, 2026-05.
const MAX_ITEMS: usize = 5000;

/// The `object` of the product's own posts.
pub(super) const OBJECT: &str = "whatsapp_business_account";

/// The lists of a change that become one item each, with the name an item's payload gives them.
const LISTS: [(&str, &str, RawKind); 4] = [
    ("messages", field::MESSAGE, RawKind::Message),
    ("statuses", field::STATUS, RawKind::Status),
    ("message_echoes", field::ECHO, RawKind::Echo),
    ("calls", field::CALL, RawKind::Message),
];

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
            items.add(&head, None, RawKind::Event, field::VALUE, entry)?;
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
        contact: Option<Value>,
        kind: RawKind,
        name: &str,
        part: &Value,
    ) -> Result<(), Unreadable> {
        if self.0.len() == MAX_ITEMS {
            return Err(Unreadable::new(format!(
                "the body holds more than {MAX_ITEMS} items"
            )));
        }
        let named = |name| head.get(name).and_then(Value::as_str).map(str::to_owned);
        let external_channel_id = named(field::PHONE_NUMBER_ID);
        let external_account_id = named(field::ENTRY_ID);
        let mut payload = head.clone();
        if let Some(contact) = contact {
            payload.insert(field::CONTACT.to_owned(), contact);
        }
        payload.insert(name.to_owned(), part.clone());
        self.0.push(RawItem {
            external_channel_id,
            external_account_id,
            kind,
            payload: Value::Object(payload),
        });
        Ok(())
    }

    fn add_entry(&mut self, mut head: Map<String, Value>, entry: &Value) -> Result<(), Unreadable> {
        if !entry.is_object() {
            return self.add(&head, None, RawKind::Unreadable, field::MALFORMED, entry);
        }
        if let Some(id) = text(entry, "id") {
            head.insert(field::ENTRY_ID.to_owned(), shorten(id).into());
        }
        match entry.get("changes") {
            Some(Value::Array(changes)) if !changes.is_empty() => {
                for change in changes {
                    self.add_change(&head, change)?;
                }
                Ok(())
            }
            Some(Value::Array(_)) | None => {
                self.add(&head, None, RawKind::Event, field::VALUE, entry)
            }
            Some(_) => self.add(&head, None, RawKind::Unreadable, field::MALFORMED, entry),
        }
    }

    fn add_change(&mut self, head: &Map<String, Value>, change: &Value) -> Result<(), Unreadable> {
        let mut head = head.clone();
        if let Some(name) = text(change, "field") {
            head.insert(field::FIELD.to_owned(), shorten(name).into());
        }
        let Some(value) = change.get("value").filter(|value| value.is_object()) else {
            return self.add(&head, None, RawKind::Unreadable, field::MALFORMED, change);
        };
        if let Some(metadata) = value.get("metadata") {
            for name in [field::PHONE_NUMBER_ID, field::DISPLAY_PHONE_NUMBER] {
                if let Some(id) = text(metadata, name) {
                    head.insert(name.to_owned(), shorten(id).into());
                }
            }
        }
        let before = self.0.len();
        let profiles = Profiles::of(value);
        for (list_name, name, kind) in LISTS {
            match value.get(list_name) {
                Some(Value::Array(parts)) => {
                    for part in parts {
                        let is_alone = parts.len() == 1;
                        let contact = profiles.find(part, kind, is_alone);
                        self.add(&head, contact, kind, name, part)?;
                    }
                }
                None | Some(Value::Null) => {}
                Some(other) => {
                    self.add(&head, None, RawKind::Unreadable, field::MALFORMED, other)?;
                }
            }
        }
        if !list(value, "errors").is_empty() {
            self.add(&head, None, RawKind::Event, field::ERRORS, &value["errors"])?;
        }
        if self.0.len() == before {
            self.add(&head, None, RawKind::Event, field::VALUE, value)?;
        }
        Ok(())
    }
}

/// The profiles of a change, found by id: their order says nothing about that of the messages.
struct Profiles<'a> {
    all: &'a [Value],
    by_id: HashMap<String, &'a Value>,
}

impl<'a> Profiles<'a> {
    fn of(value: &'a Value) -> Self {
        let all = list(value, "contacts");
        let mut by_id = HashMap::new();
        for profile in all {
            for name in ["wa_id", "user_id"] {
                if let Some(id) = text(profile, name) {
                    by_id.entry(id).or_insert(profile);
                }
            }
        }
        Self { all, by_id }
    }

    /// The profile of whoever `part` concerns. A message that names nobody takes the profile that
    /// is alone with it, which can only be its sender's.
    fn find(&self, part: &Value, kind: RawKind, is_alone: bool) -> Option<Value> {
        let names: &[&str] = match kind {
            RawKind::Message => &["from_user_id", "from"],
            RawKind::Echo => &["to_user_id", "to"],
            RawKind::Status | RawKind::Event | RawKind::Unreadable => return None,
        };
        let ids: Vec<String> = names.iter().filter_map(|name| text(part, name)).collect();
        let profile = match (ids.is_empty(), self.all) {
            (true, [profile]) if is_alone && kind == RawKind::Message => Some(profile),
            _ => ids.iter().find_map(|id| self.by_id.get(id).copied()),
        };
        profile.map(brief)
    }
}

/// The fields of a profile that decoding needs, so that a large one is not copied to every item.
fn brief(profile: &Value) -> Value {
    let mut brief = Map::new();
    for name in ["wa_id", "user_id"] {
        if let Some(id) = text(profile, name) {
            brief.insert(name.to_owned(), shorten(id).into());
        }
    }
    let names = [
        profile.get("profile").and_then(|inner| text(inner, "name")),
        profile
            .get("profile")
            .and_then(|inner| text(inner, "username")),
    ];
    if let Some(name) = names.into_iter().flatten().next() {
        brief.insert("name".to_owned(), shorten(name).into());
    }
    Value::Object(brief)
}

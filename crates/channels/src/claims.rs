use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::lenient::without_lone_surrogates;

/// The most distinct numbers or pages one post may name on an address that all channels share.
pub const MAX_CLAIMED_CHANNELS: usize = 20;

/// Why a post's secrets cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The body is not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// The post names more numbers or pages than [`MAX_CLAIMED_CHANNELS`].
    #[error("the post names more than {MAX_CLAIMED_CHANNELS} numbers or pages")]
    TooMany,
}

/// Lists the distinct ids that stand at the end of `path` in a post, in their order, for choosing the
/// secrets that may have signed it; lists on the way are walked through.
///
/// Nothing the body says is true yet. It is read without being kept, so that an unsigned body costs
/// little memory whatever it holds; parts of another form are passed over.
///
/// # Errors
/// [`ClaimError::NotJson`] and [`ClaimError::TooMany`].
pub(crate) fn claimed_ids(body: &[u8], path: &[&'static str]) -> Result<Vec<String>, ClaimError> {
    let mut found = Found::default();
    let body = without_lone_surrogates(body);
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let walked = Walk {
        path,
        found: &mut found,
    }
    .deserialize(&mut reader)
    .and_then(|()| reader.end());
    match walked {
        _ if found.too_many => Err(ClaimError::TooMany),
        Ok(()) => Ok(found.ids),
        Err(_) => Err(ClaimError::NotJson),
    }
}

#[derive(Default)]
struct Found {
    ids: Vec<String>,
    too_many: bool,
}

impl Found {
    fn add<E: serde::de::Error>(&mut self, id: &str) -> Result<(), E> {
        if id.is_empty() || self.ids.iter().any(|known| known == id) {
            return Ok(());
        }
        if self.ids.len() == MAX_CLAIMED_CHANNELS {
            self.too_many = true;
            return Err(E::custom("too many"));
        }
        self.ids.push(id.to_owned());
        Ok(())
    }
}

#[derive(Deserialize)]
struct FieldName<'a>(#[serde(borrow)] Cow<'a, str>);

/// Walks one value, from which `path` is still to go.
struct Walk<'a> {
    path: &'a [&'static str],
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<FieldName<'_>>()? {
            match self.path.split_first() {
                Some((next, path)) if *next == name.0 => fields.next_value_seed(Walk {
                    path,
                    found: &mut *self.found,
                })?,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        loop {
            let walk = Walk {
                path: self.path,
                found: &mut *self.found,
            };
            if items.next_element_seed(walk)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.path.is_empty() {
            self.found.add(text)
        } else {
            Ok(())
        }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claimed_channel_ids(body: &[u8]) -> Result<Vec<String>, ClaimError> {
        let path = ["entry", "changes", "value", "metadata", "phone_number_id"];
        claimed_ids(body, &path)
    }

    fn post(ids: &[Value]) -> Vec<u8> {
        let changes: Vec<Value> = ids
            .iter()
            .map(|id| json!({"field": "messages", "value": {"metadata": {"phone_number_id": id}}}))
            .collect();
        serde_json::to_vec(&json!({"entry": [{"id": "1", "changes": changes}], "object": "x"}))
            .unwrap()
    }

    #[test]
    fn distinct_ids_are_listed_in_their_order() {
        let body = post(&[json!("9"), json!(7), json!("9"), json!("7"), json!(null)]);
        assert_eq!(claimed_channel_ids(&body).unwrap(), ["9", "7"]);
    }

    #[test]
    fn more_than_twenty_are_refused() {
        let ids: Vec<Value> = (0..=20).map(|id| json!(id)).collect();
        assert_eq!(claimed_channel_ids(&post(&ids)), Err(ClaimError::TooMany));
        assert_eq!(claimed_channel_ids(&post(&ids[..20])).unwrap().len(), 20);
    }

    #[test]
    fn parts_of_another_form_are_passed_over() {
        for body in [
            "{}",
            "[]",
            "null",
            "1.5",
            r#"{"entry": [1, null, [], "x", {"changes": {}}]}"#,
        ] {
            assert_eq!(
                claimed_channel_ids(body.as_bytes()).unwrap(),
                [""; 0],
                "{body}"
            );
        }
        let body =
            br#"{"entry":[true,{"changes":[{"value":{"metadata":{"phone_number_id":"5"}}}]}],
            "metadata":{"phone_number_id":"6"},"phone_number_id":"7","\u0061":-1}"#;
        assert_eq!(claimed_channel_ids(body).unwrap(), ["5"]);
    }

    #[test]
    fn what_is_not_json_is_told() {
        for body in ["", "{", "{} x", "object=page"] {
            assert_eq!(
                claimed_channel_ids(body.as_bytes()),
                Err(ClaimError::NotJson)
            );
        }
        let deep = "[".repeat(100_000);
        assert_eq!(
            claimed_channel_ids(deep.as_bytes()),
            Err(ClaimError::NotJson)
        );
    }
}

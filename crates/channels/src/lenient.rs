//! Reading fields of JSON that others write: ids may be numbers, and a field of the wrong type
//! counts as absent.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{MAX_BODY_BYTES, Unreadable};

/// Replaces `\uXXXX` escapes of half a surrogate pair by U+FFFD; such escapes come from cutting a
/// name in two, and would make the whole body unreadable.
pub(crate) fn without_lone_surrogates(body: &[u8]) -> Cow<'_, [u8]> {
    let mut repaired: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = body[at..].iter().position(|&byte| byte == b'\\') {
        at += found;
        let first = escaped_unit(&body[at..]);
        let is_pair = matches!(first, Some(0xd800..0xdc00))
            && matches!(
                escaped_unit(body.get(at + 6..).unwrap_or(&[])),
                Some(0xdc00..0xe000)
            );
        match first {
            Some(_) if is_pair => at += 12,
            Some(0xd800..0xe000) => {
                repaired.get_or_insert_with(|| body.to_vec())[at + 2..at + 6]
                    .copy_from_slice(b"fffd");
                at += 6;
            }
            Some(_) => at += 6,
            None => at += 2,
        }
        if at >= body.len() {
            break;
        }
    }
    repaired.map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The UTF-16 unit that `bytes` starts with as a `\uXXXX` escape.
fn escaped_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The text of a string or the digits of a whole number; `None` for anything else or an empty one.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// The field `name` of `value`, as [`as_text`] reads it.
pub(crate) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(as_text)
}

/// The field `name` of `value` as a whole number, which may stand in a string.
pub(crate) fn integer(value: &Value, name: &str) -> Option<i64> {
    match value.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The field `name` of `value` as a finite number, which may stand in a string.
pub(crate) fn float(value: &Value, name: &str) -> Option<f64> {
    match value.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// Whether the field `name` of `value` is `true`.
pub(crate) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// The elements of the list `name` of `value`; none if it is no list.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The longest JSON that is kept beside a message that was not understood, in bytes.
const MAX_RAW_BYTES: usize = 16 * 1024;

/// What is kept of a part that was not understood: all of it, unless it is long.
pub(crate) fn kept_raw(part: &Value) -> Option<Value> {
    let is_kept = !part.is_null() && part.to_string().len() <= MAX_RAW_BYTES;
    is_kept.then(|| part.clone())
}

/// The names in a post that are repeated in every item are no longer than this, in characters.
const MAX_NAME_CHARS: usize = 256;

/// A name or id cut to what may be repeated in every item.
pub(crate) fn shorten(text: String) -> String {
    match text.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// How deep a body may be nested. JSON is read to 128 levels, and a part of a body stands deeper where
/// it is stored: what was taken has to be readable there too.
const MAX_LEVELS: usize = 100;

/// Whether `value` is nested at most so deep; what is no list and no object is not nested.
pub(crate) fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_within(item, levels - 1)),
        Value::Object(fields) => {
            levels > 0 && fields.values().all(|value| is_within(value, levels - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Reads a body as JSON that can be stored as `jsonb`.
///
/// # Errors
/// [`Unreadable`] for what is no JSON, longer than [`MAX_BODY_BYTES`], or nested deeper than
/// [`MAX_LEVELS`].
pub(crate) fn read_json(body: &[u8]) -> Result<Value, Unreadable> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Unreadable::new(format!(
            "the body has more than {MAX_BODY_BYTES} bytes"
        )));
    }
    let value = serde_json::from_slice(&without_lone_surrogates(body))
        .map_err(|error| Unreadable::new(format!("the body is not JSON: {error}")))?;
    if !is_within(&value, MAX_LEVELS) {
        return Err(Unreadable::new(format!(
            "the body is nested deeper than {MAX_LEVELS} levels"
        )));
    }
    Ok(without_nul(value))
}

/// A moment given in whole seconds or milliseconds since 1970, by `unit`; `None` before 1970 and
/// after 2100, where it must be one of the other unit.
pub(crate) fn moment(count: i64, unit: Unit) -> Option<DateTime<Utc>> {
    let moment = match unit {
        Unit::Seconds => DateTime::from_timestamp(count, 0),
        Unit::Milliseconds => DateTime::from_timestamp_millis(count),
    }?;
    (0..LAST_TIMESTAMP)
        .contains(&moment.timestamp())
        .then_some(moment)
}

/// What a number that stands for a moment counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
}

/// The year 2100, in seconds.
const LAST_TIMESTAMP: i64 = 4_102_444_800;

/// Replaces NUL characters, which `jsonb` and `text` columns cannot hold, in all strings and keys.
pub(crate) fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(replace_nul(text)),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nul).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (replace_nul(name), without_nul(value)))
                .collect(),
        ),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

fn replace_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_may_be_numbers() {
        let value =
            json!({"a": 1_698_266_730_123_456_789_u64, "b": "x", "c": "", "d": 1.5, "e": null});
        assert_eq!(text(&value, "a").unwrap(), "1698266730123456789");
        assert_eq!(text(&value, "b").unwrap(), "x");
        for name in ["c", "d", "e", "f"] {
            assert_eq!(text(&value, name), None, "{name}");
        }
        assert_eq!(text(&json!([1]), "a"), None);
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_and_pairs_kept() {
        let cases = [
            (r#"["\ud83d\ude00"]"#, "😀"),
            (r#"["\ud83d"]"#, "\u{fffd}"),
            (r#"["\ude00x"]"#, "\u{fffd}x"),
            (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}😀"),
            (r#"["\\ud83d"]"#, "\\ud83d"),
            (r#"["\u00e4\/"]"#, "ä/"),
        ];
        for (body, expected) in cases {
            let repaired = without_lone_surrogates(body.as_bytes());
            let value: Vec<String> = serde_json::from_slice(&repaired).unwrap();
            assert_eq!(value, [expected], "{body}");
        }
        for body in ["\\", "\\u", "\\ud83", "\\ud83d", "\\ud83d\\", ""] {
            without_lone_surrogates(body.as_bytes());
        }
    }

    #[test]
    fn levels_are_counted_by_lists_and_objects() {
        assert!(is_within(&json!("a"), 0));
        assert!(!is_within(&json!([]), 0));
        let nested = json!({"a": [1, {"b": []}]});
        assert!(is_within(&nested, 4));
        assert!(!is_within(&nested, 3));
    }

    #[test]
    fn nul_characters_are_replaced_everywhere() {
        let value = without_nul(json!({"a\0": ["b\0", {"c": "d\0"}]}));
        assert!(!value.to_string().contains("\\u0000"), "{value}");
        assert_eq!(value["a\u{fffd}"][1]["c"], "d\u{fffd}");
    }
}

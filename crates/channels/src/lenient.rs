//! Reading fields of JSON that others write: ids may be numbers, and a field of the wrong type
//! counts as absent.

use std::borrow::Cow;

use serde_json::Value;

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
    fn nul_characters_are_replaced_everywhere() {
        let value = without_nul(json!({"a\0": ["b\0", {"c": "d\0"}]}));
        assert!(!value.to_string().contains("\\u0000"), "{value}");
        assert_eq!(value["a\u{fffd}"][1]["c"], "d\u{fffd}");
    }
}

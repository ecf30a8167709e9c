//! Values that are odd, each as the text of JSON that it stands in a body with.

use serde_json::{Value, json};

/// Nothing of what is asked for, whatever that is.
const OTHER_TYPES: [&str; 6] = ["null", "true", "1.5", "\"\"", "[]", "{}"];

const TEXTS: [&str; 5] = [
    "\"a\\u0000b\"",
    "\"\\u0000\"",
    "\"'\\\"\\\\%_\u{202e}\u{feff}\u{1f600}\"",
    "\"9223372036854775808\"",
    "\"no-such\"",
];
const TIMES: [&str; 5] = [
    "\"0000-01-01T00:00:00Z\"",
    "\"1969-12-31T23:59:59.999999999Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"+262142-12-31T23:59:59Z\"",
    "\"-262143-01-01T00:00:00Z\"",
];
const DAYS: [&str; 4] = [
    "\"0000-01-01\"",
    "\"9999-12-31\"",
    "\"+262142-12-31\"",
    "\"-262143-01-01\"",
];
const IDS: [&str; 3] = [
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
    "\"no id\"",
];
const INTEGERS: [&str; 8] = [
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "4294967295",
    "2147483647",
    "-1",
    "0",
    "1e2",
];
const NUMBERS: [&str; 5] = [
    "1.7976931348623157e308",
    "-1.7976931348623157e308",
    "-0.0",
    "5e-324",
    "0",
];
const FREE: [&str; 4] = [
    "{\"a\\u0000b\": \"\\u0000\"}",
    "[\"\\u0000\"]",
    "1.7976931348623157e308",
    "\"x\"",
];

/// What may stand where `schema` stands in a body. `ids`: things of another tenant.
pub(super) fn values(schema: &Value, ids: &[String]) -> Vec<String> {
    let mut odd = own(schema);
    odd.extend(OTHER_TYPES.map(str::to_owned));
    if schema["format"] == "uuid" {
        odd.extend(ids.iter().map(|id| format!("\"{id}\"")));
    }
    odd
}

fn own(schema: &Value) -> Vec<String> {
    let listed = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let has_names = schema["properties"].is_object() || schema["items"].is_object();
    match schema["type"].as_str() {
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => listed(&TIMES),
            Some("naive-date") => listed(&DAYS),
            Some("uuid") => listed(&IDS),
            _ => {
                let mut texts: Vec<String> = listed(&TEXTS);
                texts.extend([3_000, 100_000].map(|chars| format!("\"{}\"", "x".repeat(chars))));
                texts
            }
        },
        Some("integer") => listed(&INTEGERS),
        Some("number") => listed(&NUMBERS),
        Some("array") => vec![format!("[{}]", ["null"; 5_000].join(","))],
        Some("boolean") => Vec::new(),
        _ if has_names => vec![format!("{{{}}}", named_badly())],
        _ => {
            let mut free: Vec<String> = listed(&FREE);
            free.push(nested("[", "]", 100));
            free
        }
    }
}

fn named_badly() -> String {
    let names = (0..1_000).map(|nth| format!("\"\\u0000{nth}\": null"));
    names.collect::<Vec<_>>().join(",")
}

/// What may stand in a path or a query, escaped.
pub(super) fn escaped(schema: &Value, name: &str) -> Vec<String> {
    let mut texts = own(schema);
    if name == "cursor" {
        texts.extend(cursors().iter().map(|cursor| json!(cursor).to_string()));
    }
    // It would be waited for so long.
    texts.retain(|text| name != "wait" || text.len() != "4294967295".len());
    let mut escaped: Vec<String> = texts.iter().map(|text| escape(text)).collect();
    // No UTF-8, and an escape that is cut off.
    escaped.extend(["%FF%FE".to_owned(), "%C3%28".to_owned(), "a%0".to_owned()]);
    escaped
}

fn escape(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    let text = value.as_str().unwrap_or(json);
    // No proxy lets a longer one through.
    let escaped = text.bytes().take(5_000).map(|byte| format!("%{byte:02X}"));
    escaped.collect::<Vec<_>>().concat()
}

/// Places in lists that no list gave out, in their form and not.
fn cursors() -> Vec<String> {
    let keys = [
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "a\0b",
        "",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "2026-01-01T00:00:00Z",
        "1,2",
    ];
    let made_up = keys.map(|key| domain::Cursor::after(key).encode());
    made_up
        .into_iter()
        .chain(["ff".to_owned(), "+f".to_owned()])
        .collect()
}

/// Bodies that nobody should send to a path that takes JSON: their type and their bytes.
pub(super) fn bodies() -> Vec<(Option<&'static str>, Vec<u8>)> {
    const JSON: Option<&str> = Some("application/json");
    let texts = [
        "",
        " ",
        "{",
        "null",
        "[]",
        "\"x\"",
        "true",
        "1e400",
        "{\"a\": 1e400}",
        "{\"a\": \"\\ud800\"}",
        "{\"\\udc00\\ud800\": 1}",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\\u0000\": {}}",
        "\u{feff}{}",
        "{} {}",
        "{'a': NaN}",
    ];
    let mut bodies: Vec<_> = texts
        .iter()
        .map(|text| (JSON, text.as_bytes().to_vec()))
        .collect();
    bodies.extend([
        (JSON, b"{\"a\": \"\xff\xfe\"}".to_vec()),
        (JSON, b"\xff".to_vec()),
        (JSON, b"\x00\x00\x00".to_vec()),
        (JSON, nested("[", "]", 100_000).into_bytes()),
        (JSON, nested("{\"a\":", "}", 100_000).into_bytes()),
        (JSON, vec![b' '; 1024 * 1024 + 1]),
        (Some("application/json; charset=utf-16"), b"{}".to_vec()),
        (Some("text/plain"), b"{}".to_vec()),
        (Some("multipart/form-data"), b"{}".to_vec()),
        (Some("\u{e4}"), b"{}".to_vec()),
        (None, b"{}".to_vec()),
    ]);
    bodies
}

/// Forms that nobody should upload a file with.
pub(super) fn forms() -> Vec<(Option<&'static str>, Vec<u8>)> {
    let form = Some("multipart/form-data; boundary=edge");
    let file = |name: &[u8], content: &[u8], end: &[u8]| {
        let head = b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"";
        let parts: [&[u8]; 5] = [head, name, b"\"\r\n\r\n", content, end];
        (form, parts.concat())
    };
    let end = b"\r\n--edge--\r\n";
    vec![
        (form, Vec::new()),
        (form, b"--edge--\r\n".to_vec()),
        (form, b"--edge\r\n\r\n\r\n--edge--\r\n".to_vec()),
        (form, b"\xff\x00".to_vec()),
        (Some("multipart/form-data"), b"--edge--\r\n".to_vec()),
        (Some("multipart/form-data; boundary="), b"----\r\n".to_vec()),
        file(b"", b"Words.", end),
        file(b"a\0b.txt", b"Words.", end),
        file(b"\xff\xfe.txt", b"Words.", end),
        file(b"../../a.txt", b"Words.", end),
        file(b"'\\%_.txt", b"\0\0\0", end),
        file(&b"x".repeat(3_000), b"Words.", end),
        file(b"a.txt", b"", end),
        file(b"a.txt", b"Words.", b""),
        file(b"a.pdf", b"%PDF-1.7\nno more", end),
    ]
}

fn nested(open: &str, close: &str, levels: usize) -> String {
    [&open.repeat(levels), "1", &close.repeat(levels)].concat()
}

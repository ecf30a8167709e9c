//! Input that is in its form and yet odd: texts with NUL, the ends of numbers and of time. It may be
//! refused, and no operation fails by it.

use poem::http::Method;
use serde_json::{Value, json};

use crate::isolation::{things, valid_body};
use crate::server::{ADMIN_KEY, TestServer};

/// Bodies are looked into so deep.
const DEPTH: usize = 4;

/// A place in a body: the names on the way to it, `[]` for the only entry of a list.
type Place = Vec<String>;

fn odd_values(schema: &Value) -> Vec<Value> {
    let kind = schema["type"].as_str().unwrap_or_default();
    let is_free = schema["enum"].is_null() && schema["format"].is_null();
    match kind {
        "string" if schema["format"] == "date-time" => vec![
            json!("0000-01-01T00:00:00Z"),
            json!("1969-12-31T23:59:59.999999999Z"),
            json!("9999-12-31T23:59:60Z"),
            json!("+262142-12-31T23:59:59Z"),
        ],
        "string" if is_free => vec![
            json!("a\0b"),
            json!("\0"),
            json!("'\"\\%_\u{202e}\u{feff}\u{1f600}"),
            json!("x".repeat(3000)),
            json!("9223372036854775808"),
        ],
        "integer" => vec![
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(-1),
            json!(0),
        ],
        "number" => vec![json!(f64::MAX), json!(-0.0), json!(f64::MIN_POSITIVE)],
        _ => Vec::new(),
    }
}

/// A schema behind its references.
fn resolved<'a>(spec: &'a Value, schema: &'a Value) -> &'a Value {
    let wrapped = schema["allOf"][0].is_object();
    let schema = if wrapped { &schema["allOf"][0] } else { schema };
    match schema["$ref"].as_str() {
        Some(name) => resolved(spec, spec.pointer(name.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// Every place of a body, with the odd values that may stand there.
fn places(spec: &Value, schema: &Value, at: &Place, found: &mut Vec<(Place, Value)>) {
    let schema = resolved(spec, schema);
    found.extend(odd_values(schema).into_iter().map(|odd| (at.clone(), odd)));
    if at.len() == DEPTH {
        return;
    }
    let inside = |name: &str| [at.as_slice(), &[name.to_owned()]].concat();
    if schema["items"].is_object() {
        places(spec, &schema["items"], &inside("[]"), found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        places(spec, property, &inside(name), found);
    }
    if schema["additionalProperties"].is_object() {
        for name in ["a\0b", "x"] {
            places(spec, &schema["additionalProperties"], &inside(name), found);
        }
    }
}

/// The body with `odd` at that place, and whatever is needed around it.
fn with(body: &Value, place: &[String], odd: &Value) -> Value {
    let Some((name, rest)) = place.split_first() else {
        return odd.clone();
    };
    if name == "[]" {
        return json!([with(&body[0], rest, odd)]);
    }
    let mut body = body.as_object().cloned().unwrap_or_default();
    let before = body.get(name).cloned().unwrap_or_default();
    body.insert(name.clone(), with(&before, rest, odd));
    body.into()
}

fn in_url(odd: &Value) -> String {
    let text = odd.as_str().map_or_else(|| odd.to_string(), str::to_owned);
    let escaped = text.bytes().map(|byte| format!("%{byte:02X}"));
    escaped.collect()
}

/// What to call an operation with: paths with queries, and bodies.
fn calls(
    spec: &Value,
    operation: &Value,
    path: &str,
    raw: &str,
    body: &Value,
) -> Vec<(String, Value)> {
    let mut calls = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let schema = resolved(spec, &parameter["schema"]);
        let name = parameter["name"].as_str().unwrap();
        let mut values = odd_values(schema);
        if name == "cursor" {
            let keys = ["-9223372036854775808", "9223372036854775807", "a\0b"];
            let uuids = [
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ];
            let cursors = keys.iter().chain(&uuids);
            values.extend(cursors.map(|key| json!(domain::Cursor::after(key).encode())));
        }
        for odd in values {
            match parameter["in"].as_str() {
                Some("query") => {
                    let mark = if path.contains('?') { '&' } else { '?' };
                    calls.push((format!("{path}{mark}{name}={}", in_url(&odd)), body.clone()));
                }
                Some("path") => {
                    let placed = raw.replace(&format!("{{{name}}}"), &in_url(&odd));
                    calls.push((placed, body.clone()));
                }
                _ => {}
            }
        }
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_object() {
        let mut found = Vec::new();
        places(spec, schema, &Place::new(), &mut found);
        let bodies = found.iter().map(|(place, odd)| with(body, place, odd));
        let id = operation["operationId"].as_str().unwrap();
        let bodies = bodies.chain(free_forms(id));
        calls.extend(bodies.map(|body| (path.to_owned(), body)));
    }
    calls
}

/// Bodies with parts that the description leaves open.
fn free_forms(operation: &str) -> Vec<Value> {
    let deep = |levels: usize| (0..levels).fold(json!("a"), |inside, _| json!([inside]));
    match operation {
        "create_message" => vec![
            json!({"content": {"type": "text", "body": "a\0b"}}),
            json!({"content": {"type": "location", "latitude": 1, "longitude": 2, "name": "a\0b"}}),
            json!({"content": {"type": "location", "latitude": 1e308, "longitude": -1e308}}),
            json!({"content": {"type": "reaction", "target": "a\0b", "emoji": "\0"}}),
            json!({"content": {"type": "choices", "body": "a\0b",
                "choices": [{"id": "\0", "title": "\0"}]}}),
            json!({"content": {"type": "choices", "body": "a", "more": deep(100), "choices": []}}),
            json!({"content": {"type": "media", "media_kind": "image",
                "file": {"uploaded": "a\0b"}, "caption": "\0", "filename": "a\0b"}}),
        ],
        "create_channel" | "update_channel" => vec![
            json!({"type": "webchat", "name": "a", "config": {"title": "a\0b"}}),
            json!({"type": "webchat", "name": "a", "config": {"greeting": "\0", "colour": "\0"}}),
            json!({"type": "webchat", "name": "a", "config": {"allowed_origins": ["https://a\0b"]}}),
            json!({"type": "webchat", "name": "a", "config": {"title": deep(100)}}),
            json!({"type": "whatsapp", "name": "a", "config": {"phone_number_id": "1\0",
                "access_token": "a\0b", "fallback_template": "a\0b"}}),
            json!({"type": "whatsapp", "name": "a", "config": {"phone_number_id": "9".repeat(400),
                "access_token": "a", "fallback_template": "a\0b"}}),
        ],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn no_operation_fails_by_odd_texts_and_numbers() {
    let server = TestServer::without_limits().await;
    let (tenant, _) = server.tenant("Odd").await;
    let things = things(&server, &tenant).await;
    let spec: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    let fill = |path: &str| {
        things
            .iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    };
    let (mut called, mut failed) = (0, Vec::new());
    for wanted in ["get", "put", "patch", "post", "delete"] {
        for (raw, methods) in spec["paths"].as_object().unwrap() {
            let Some(operation) = methods.get(wanted) else {
                continue;
            };
            let id = operation["operationId"].as_str().unwrap();
            if operation["security"][0]["webchat_token"].is_array() {
                continue;
            }
            let method: Method = wanted.to_uppercase().parse().unwrap();
            let body = match wanted {
                "put" | "post" | "patch" => valid_body(id, &things[0].1),
                _ => Value::Null,
            };
            for (path, body) in calls(&spec, operation, &fill(raw), raw, &body) {
                let path = fill(&path);
                let reply = server
                    .call(ADMIN_KEY, method.clone(), &path, body.clone())
                    .await;
                called += 1;
                if reply.status.as_u16() == 500 {
                    failed.push(format!("{id} {path:.200} {:.300}", body.to_string()));
                }
            }
        }
    }
    assert!(called > 500, "only {called} calls were made");
    assert!(
        failed.is_empty(),
        "{called} calls, {}:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

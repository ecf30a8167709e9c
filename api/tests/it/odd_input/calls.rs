//! What each operation of the specification is called with.

use poem::http::HeaderValue;
use serde_json::{Value, json};

use super::values::{bodies, escaped, forms, values};

/// Bodies are looked into so deep.
const DEPTH: usize = 6;

/// Stands in a body for the odd value, whose JSON need not be a [`Value`].
const MARK: &str = "the odd value";

/// A place in a body: the names on the way to it, `[]` for the only entry of a list.
type Place = Vec<String>;

/// A request without its method and its key.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Vec<u8>,
    pub(super) idempotency_key: Option<HeaderValue>,
}

/// One operation, and what it is called with where that is not odd.
pub(super) struct Operation<'a> {
    pub(super) spec: &'a Value,
    pub(super) described: &'a Value,
    /// The path as it is described, and with things of the tenant's.
    pub(super) pattern: &'a str,
    pub(super) path: String,
    pub(super) body: Value,
}

impl Call {
    fn json(path: &str, body: Vec<u8>) -> Self {
        let content_type = Some(HeaderValue::from_static("application/json"));
        Self {
            path: path.to_owned(),
            content_type: content_type.filter(|_| !body.is_empty()),
            body,
            idempotency_key: None,
        }
    }
}

impl Operation<'_> {
    pub(super) fn id(&self) -> &str {
        self.described["operationId"].as_str().unwrap()
    }

    /// The call that is odd in nothing.
    pub(super) fn plain(&self) -> Call {
        Call::json(&self.path, text(&self.body))
    }

    /// Every odd call: one oddness each. `fill` puts things of the tenant's in a path.
    pub(super) fn odd(&self, fill: impl Fn(&str) -> String, foreign: &[String]) -> Vec<Call> {
        let mut calls = self.odd_urls(fill);
        let content = &self.described["requestBody"]["content"];
        let schema = &content["application/json"]["schema"];
        if schema.is_object() {
            let mut found = Vec::new();
            self.places(schema, &Place::new(), foreign, &mut found);
            calls.extend(found.iter().map(|(place, odd)| {
                let marked = with(&self.body, place).to_string();
                let body = marked.replace(&json!(MARK).to_string(), odd);
                Call::json(&self.path, body.into_bytes())
            }));
            let free = free_forms(self.id());
            calls.extend(free.iter().map(|body| Call::json(&self.path, text(body))));
            calls.extend(bodies().into_iter().map(|body| self.raw(body)));
        }
        if content["multipart/form-data"].is_object() {
            calls.extend(forms().into_iter().map(|form| self.raw(form)));
        }
        calls.extend(self.odd_keys());
        calls
    }

    fn raw(&self, (content_type, body): (Option<&str>, Vec<u8>)) -> Call {
        Call {
            content_type: content_type
                .map(|kind| HeaderValue::from_bytes(kind.as_bytes()).unwrap()),
            body,
            ..Call::json(&self.path, Vec::new())
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Value> {
        let parameters = self.described["parameters"].as_array();
        parameters.into_iter().flatten()
    }

    fn odd_urls(&self, fill: impl Fn(&str) -> String) -> Vec<Call> {
        let body = text(&self.body);
        let mut calls = Vec::new();
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap();
            for odd in escaped(self.resolved(&parameter["schema"]), name) {
                let path = match parameter["in"].as_str() {
                    Some("query") => {
                        let mark = if self.path.contains('?') { '&' } else { '?' };
                        format!("{}{mark}{name}={odd}", self.path)
                    }
                    Some("path") => fill(&self.pattern.replace(&format!("{{{name}}}"), &odd)),
                    _ => continue,
                };
                calls.push(Call::json(&path, body.clone()));
            }
        }
        calls
    }

    fn odd_keys(&self) -> Vec<Call> {
        let takes_key = |parameter: &Value| parameter["name"] == "Idempotency-Key";
        if !self.parameters().any(takes_key) {
            return Vec::new();
        }
        let keys: [&[u8]; 4] = [b"", b"\xff\xfe", b"'\\%_ \t", &[b'x'; 256]];
        let keys = keys.map(|key| HeaderValue::from_bytes(key).unwrap());
        let called = keys.into_iter().map(|key| Call {
            idempotency_key: Some(key),
            ..self.plain()
        });
        called.collect()
    }

    /// A schema behind its references.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let wrapped = schema["allOf"][0].is_object();
        let schema = if wrapped { &schema["allOf"][0] } else { schema };
        match schema["$ref"].as_str() {
            Some(name) => {
                let referred = self.spec.pointer(name.trim_start_matches('#'));
                self.resolved(referred.unwrap())
            }
            None => schema,
        }
    }

    /// Every place of a body, with the odd values that may stand there.
    fn places(
        &self,
        schema: &Value,
        at: &Place,
        foreign: &[String],
        found: &mut Vec<(Place, String)>,
    ) {
        let schema = self.resolved(schema);
        let odd = values(schema, foreign);
        found.extend(odd.into_iter().map(|odd| (at.clone(), odd)));
        if at.len() == DEPTH {
            return;
        }
        let inside = |name: &str| [at.as_slice(), &[name.to_owned()]].concat();
        if schema["items"].is_object() {
            self.places(&schema["items"], &inside("[]"), foreign, found);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.places(property, &inside(name), foreign, found);
        }
        let others = &schema["additionalProperties"];
        if others.is_object() {
            for name in ["a\0b", "x"] {
                self.places(others, &inside(name), foreign, found);
            }
        }
    }
}

fn text(body: &Value) -> Vec<u8> {
    match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    }
}

/// The body with the mark at that place, and whatever is needed around it.
fn with(body: &Value, place: &[String]) -> Value {
    let Some((name, rest)) = place.split_first() else {
        return json!(MARK);
    };
    if name == "[]" {
        return json!([with(&body[0], rest)]);
    }
    let mut body = body.as_object().cloned().unwrap_or_default();
    let before = body.get(name).cloned().unwrap_or_default();
    body.insert(name.clone(), with(&before, rest));
    body.into()
}

/// Bodies with parts that the description leaves open.
fn free_forms(operation: &str) -> Vec<Value> {
    let deep = (0..100).fold(json!("a"), |inside, _| json!([inside]));
    let place = |latitude: f64, longitude: f64, name: &str| {
        json!({"content": {"type": "location", "latitude": latitude, "longitude": longitude,
            "name": name}})
    };
    let choices = |body: &str, choices: Value| json!({"content": {"type": "choices", "body": body, "choices": choices}});
    match operation {
        "create_message" => vec![
            json!({"content": {"type": "text", "body": "a\0b"}}),
            json!({"content": {"type": "text", "body": "a", "more": deep}}),
            place(1.0, 2.0, "a\0b"),
            place(1e308, -1e308, "a"),
            place(1.0, 2.0, &"x".repeat(60_000)),
            json!({"content": {"type": "reaction", "target": "a\0b", "emoji": "\0"}}),
            json!({"content": {"type": "reaction", "target": "a", "emoji": "x".repeat(3000)}}),
            choices("a\0b", json!([{"id": "\0", "title": "\0"}])),
            choices("a", json!([])),
            choices(" ", json!([{"id": "", "title": ""}])),
            choices("a", json!(vec![json!({"id": "a", "title": "a"}); 500])),
            json!({"content": {"type": "media", "media_kind": "image",
                "file": {"uploaded": "a\0b"}, "caption": "\0", "filename": "a\0b"}}),
            json!({"content": {"type": "media", "media_kind": "image",
                "file": {"link": "https://a.example/\u{202e}"}, "caption": "x".repeat(30_000)}}),
            json!({"content": {"type": "template", "name": "\0", "language": "",
                "body": [{"text": "\0"}], "buttons": [{"index": 255, "action": "url", "value": ""}]}}),
        ],
        "create_channel" | "update_channel" => vec![
            json!({"type": "webchat", "name": "a", "config": {"title": "a\0b"}}),
            json!({"type": "webchat", "name": "a", "config": {"greeting": "\0", "colour": "\0"}}),
            json!({"type": "webchat", "name": "a", "config": {"allowed_origins": ["https://a\0b"]}}),
            json!({"type": "webchat", "name": "a", "config": {"title": deep}}),
            json!({"type": "whatsapp", "name": "a", "config": {"phone_number_id": "1\0",
                "access_token": "a\0b", "fallback_template": "a\0b"}}),
            json!({"type": "whatsapp", "name": "a", "config": {"phone_number_id": "9".repeat(400),
                "access_token": "a", "fallback_template": "a\0b"}}),
            json!({"type": "messenger", "name": "a", "config": {"page_id": "\0",
                "page_access_token": "\u{e4}\n"}}),
            json!({"type": "http", "name": "a", "config": {"send_url": "https://a\0b",
                "secret": "whsec_\0"}}),
        ],
        _ => Vec::new(),
    }
}

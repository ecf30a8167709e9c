//! What travels over Socket.IO, written down as AsyncAPI from the types that do.

use poem_openapi::registry::Registry;
use poem_openapi::types::Type;
use serde_json::{Map, Value, json};

use super::events::{
    Ack, AnswerDelta, Auth, Conversation, From, Moved, Post, Typing, VisitorTyping,
};
use super::socket::NAMESPACE;
use crate::routes::webchat::MessageView;

const DESCRIPTION: &str = "\
Socket.IO, protocol 5, path `/socket.io/`, namespace `/webchat`. A message's name is the event's, its \
payload the event's one argument. On connecting a client shows `Auth` in `auth`; the event `message` to \
the server is acknowledged with `Ack`. Fields may be added: pass over those that are not known.";

/// The events of the web chat as AsyncAPI 3, as committed: pretty JSON with a line end.
pub fn webchat_events_json() -> String {
    let mut text = serde_json::to_string_pretty(&events()).unwrap_or_default();
    text.push('\n');
    text
}

fn events() -> Value {
    let mut registry = Registry::new();
    // From the server's side: it sends to clients and receives from them.
    let ways = [
        ("send", "to_client", to_client(&mut registry)),
        ("receive", "to_server", to_server(&mut registry)),
    ];
    let (mut messages, mut operations) = (Map::new(), Map::new());
    for (action, way, events) in ways {
        let mut names = Vec::new();
        for Told {
            name,
            payload,
            summary,
        } in events
        {
            let key = format!("{name}.{way}");
            names.push(json!({"$ref": format!("#/channels/webchat/messages/{key}")}));
            let message = json!({"name": name, "summary": summary, "payload": payload});
            messages.insert(key, message);
        }
        let operation = json!({
            "action": action,
            "channel": {"$ref": "#/channels/webchat"},
            "messages": names,
        });
        operations.insert(way.to_owned(), operation);
    }
    let schemas = registry.schemas.iter();
    let schemas: Map<String, Value> = schemas
        .map(|(name, schema)| (name.clone(), plain(json!(schema))))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Meta Chat Platform: web chat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "channels": {"webchat": {"address": NAMESPACE, "messages": messages}},
        "operations": operations,
        "components": {"schemas": schemas},
    })
}

/// What clients hear.
fn to_client(registry: &mut Registry) -> Vec<Told> {
    vec![
        told::<MessageView>(
            registry,
            "message",
            "A message, the visitor's own included; in the order of `seq`, each once.",
        ),
        told::<Typing>(
            registry,
            "typing",
            "Somebody on the tenant's side writes, or stopped.",
        ),
        told::<AnswerDelta>(
            registry,
            "answer.delta",
            "A piece of an answer that is being written.",
        ),
        told::<Moved>(
            registry,
            "status",
            "A message that was told came further, or failed.",
        ),
        told::<Conversation>(registry, "conversation", "Said first, and when it changes."),
    ]
}

/// What clients say.
fn to_server(registry: &mut Registry) -> Vec<Told> {
    Ack::register(registry);
    Auth::register(registry);
    vec![
        told::<Post>(
            registry,
            "message",
            "Writes a message; acknowledged with `Ack`.",
        ),
        told::<VisitorTyping>(registry, "typing", "The visitor writes, or stopped."),
        told::<From>(
            registry,
            "resume",
            "Asks again for what comes after that place.",
        ),
    ]
}

/// An event: its name, what it carries, and when it is told.
struct Told {
    name: &'static str,
    payload: Value,
    summary: &'static str,
}

fn told<T: Type>(registry: &mut Registry, name: &'static str, summary: &'static str) -> Told {
    T::register(registry);
    Told {
        name,
        payload: plain(json!(T::schema_ref())),
        summary,
    }
}

/// A schema of OpenAPI 3.0 as JSON Schema: a field that may be missing may also be `null`, unless
/// something stands where it is missing.
fn plain(mut schema: Value) -> Value {
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    fields.remove("nullable");
    let required = fields.get("required").cloned().unwrap_or_default();
    let required: Vec<&str> = required
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        let inner = plain(property.take());
        let may_be_null = !required.contains(&name.as_str()) && inner.get("default").is_none();
        *property = if may_be_null { or_null(inner) } else { inner };
    }
    if let Some(items) = fields.get_mut("items") {
        *items = plain(items.take());
    }
    schema
}

fn or_null(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(kind) => schema["type"] = json!([kind, "null"]),
        None => {
            let description = schema.get("description").cloned();
            schema = json!({"anyOf": [schema, {"type": "null"}]});
            if let Some(description) = description {
                schema["description"] = description;
            }
        }
    }
    schema
}

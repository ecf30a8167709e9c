//! The description of the web chat's events, and what is seen of them.

use std::sync::LazyLock;

use serde_json::{Value, json};

const COMMITTED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../openapi/webchat-events.json"
);

/// The description, in which no schema takes a field that it does not name.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut description: Value = serde_json::from_str(&api::webchat_events_json()).unwrap();
    let schemas = description["components"]["schemas"]
        .as_object_mut()
        .unwrap();
    for schema in schemas.values_mut() {
        schema["additionalProperties"] = json!(false);
    }
    description
});

/// Checks what a client heard against the description.
pub(crate) fn check(event: &str, data: &Value) {
    let payload = match event {
        "ack" => json!({"$ref": "#/components/schemas/Ack"}),
        event => {
            let messages = &STRICT["channels"]["webchat"]["messages"];
            let message = &messages[format!("{event}.to_client")];
            assert!(message.is_object(), "{event} is not described");
            message["payload"].clone()
        }
    };
    let mut schema = payload;
    schema["components"] = STRICT["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(data) {
        panic!("{event} is not as described: {error}: {data}");
    }
}

#[test]
fn the_committed_description_is_the_one_of_the_code() {
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == api::webchat_events_json(),
        "openapi/webchat-events.json is out of date: run `make generate` and commit what it writes"
    );
}

#[test]
fn clients_hear_these_events_and_no_others() {
    let messages = STRICT["channels"]["webchat"]["messages"]
        .as_object()
        .unwrap();
    let mut names: Vec<&str> = messages
        .keys()
        .filter_map(|key| key.strip_suffix(".to_client"))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "answer.delta",
            "conversation",
            "message",
            "status",
            "typing"
        ]
    );
}

#[test]
fn every_field_is_described_and_every_reference_leads_somewhere() {
    for (name, schema) in STRICT["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().unwrap() {
            let is_described = schema["description"].is_string() || schema["allOf"].is_array();
            // What refers to another schema is described there.
            let is_described =
                is_described || schema["$ref"].is_string() || schema["anyOf"].is_array();
            assert!(is_described, "{name}.{field} is not described");
        }
    }
    let text = STRICT.to_string();
    for piece in text.split("\"$ref\":\"#").skip(1) {
        let pointer = piece.split('"').next().unwrap();
        assert!(STRICT.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}

#[test]
#[should_panic(expected = "is not as described")]
fn an_event_with_a_field_too_many_is_noticed() {
    check("typing", &json!({"author": "agent", "on": true, "more": 1}));
}

#[test]
#[should_panic(expected = "is not as described")]
fn an_event_of_another_shape_is_noticed() {
    check("conversation", &json!({"conversation_id": 7}));
}

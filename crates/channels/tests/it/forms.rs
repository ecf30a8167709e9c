//! The forms of the dashboard: what the schema of a kind promises, the check of it keeps.

use channels::{Platform, channel, json_schema, merge, parse};
use domain::ChannelKind;
use serde_json::{Value, json};

use crate::samples::{SECRET, config, platform};

#[test]
fn a_schema_names_every_field_with_its_words() {
    for kind in ChannelKind::ALL {
        let schema = json_schema(*kind);
        assert_eq!(schema["additionalProperties"], false);
        let properties = schema["properties"].as_object().unwrap();
        assert!(!properties.is_empty());
        for (name, property) in properties {
            assert!(
                !property["title"].as_str().unwrap().is_empty(),
                "{kind} {name}"
            );
            let help = property["description"].as_str().unwrap();
            assert!(help.ends_with('.'), "{kind} {name}: {help}");
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(properties.contains_key(name.as_str().unwrap()));
        }
    }
}

/// A value that satisfies a property of a schema.
fn sample(property: &Value) -> Value {
    if property["type"] == "array" {
        return json!(["https://shop.example"]);
    }
    if property["type"] == "boolean" {
        return json!(true);
    }
    if property["type"] == "integer" {
        return property["maximum"].clone();
    }
    match property["pattern"].as_str() {
        Some(pattern) if pattern.starts_with("^whsec_") => json!(SECRET),
        Some(pattern) if pattern.starts_with("^#") => json!("#a0b1c2"),
        Some(_) => json!("123"),
        None if property["format"] == "uri" => json!("https://shop.example/in"),
        None => json!("words"),
    }
}

#[test]
fn what_a_schema_takes_is_taken_and_secrets_are_those_it_says() {
    for kind in ChannelKind::ALL {
        let schema = json_schema(*kind);
        let properties = schema["properties"].as_object().unwrap();
        let filled: Value = properties
            .iter()
            .map(|(name, property)| (name.clone(), sample(property)))
            .collect();
        let parsed = parse(*kind, filled).unwrap();
        for (name, property) in properties {
            let secrets = parsed.secrets.as_ref();
            let is_sealed = secrets.is_some_and(|secrets| secrets.get(name).is_some());
            assert_eq!(is_sealed, property["writeOnly"] == true, "{kind} {name}");
            assert_eq!(
                parsed.public.get(name).is_some(),
                !is_sealed,
                "{kind} {name}"
            );
        }
        channel(*kind)
            .connect(&parsed.public, parsed.secrets.as_ref(), &platform())
            .unwrap();
    }
}

#[test]
fn every_required_field_is_missed_and_nothing_else() {
    for kind in ChannelKind::ALL {
        let errors = match parse(*kind, json!({})) {
            Ok(_) => Vec::new(),
            Err(errors) => errors,
        };
        let missed: Vec<Value> = errors.iter().map(|error| json!(error.field)).collect();
        assert_eq!(json!(missed), json_schema(*kind)["required"], "{kind}");
    }
}

#[test]
fn wrong_values_are_told_and_never_repeated() {
    for kind in ChannelKind::ALL {
        let schema = json_schema(*kind);
        for (name, property) in schema["properties"].as_object().unwrap() {
            for wrong in [json!(-5), json!(""), json!("a\nhunter2"), json!({"a": 1})] {
                let mut filled = config(*kind);
                filled[name] = wrong.clone();
                let errors = parse(*kind, filled).unwrap_err();
                assert!(!format!("{errors:?}").contains("hunter2"));
                assert_eq!(
                    errors.len(),
                    1,
                    "{kind} {name} {wrong}: {errors:?} {property}"
                );
            }
        }
    }
}

#[test]
fn addresses_and_signing_secrets_have_their_form() {
    for (name, wrong) in [
        ("send_url", "ftp://x.example"),
        ("send_url", "https://user:hunter2@x.example"),
        ("send_url", "/relative"),
        ("secret", "hunter2"),
        ("secret", "whsec_aHVudGVyMg=="),
    ] {
        let mut filled = config(ChannelKind::Http);
        filled[name] = wrong.into();
        let errors = parse(ChannelKind::Http, filled).unwrap_err();
        assert_eq!(errors[0].field, name);
        assert!(!format!("{errors:?}").contains("hunter2"));
    }
}

#[test]
fn a_change_keeps_what_it_does_not_name_for_every_kind() {
    for kind in ChannelKind::ALL {
        let old = parse(*kind, config(*kind)).unwrap();
        let merged = merge(*kind, json!({}), &old.public, old.secrets.as_ref()).unwrap();
        assert!(merged == old, "{kind}");
    }
}

#[test]
fn broken_settings_say_what_is_missing_and_repeat_nothing() {
    let platform: Platform = platform();
    for (kind, public, secrets) in [
        (
            ChannelKind::Whatsapp,
            json!({}),
            json!({"access_token": "t"}),
        ),
        (
            ChannelKind::Whatsapp,
            json!({"phone_number_id": "1"}),
            json!({}),
        ),
        (ChannelKind::Messenger, json!({"page_id": 5}), json!({})),
        (
            ChannelKind::Http,
            json!({"send_url": "hunter2"}),
            json!({"secret": SECRET}),
        ),
        (
            ChannelKind::Http,
            json!({"send_url": "https://x.example"}),
            json!({"secret": "hunter2"}),
        ),
        (ChannelKind::Webchat, json!({"title": 5}), json!({})),
    ] {
        let error = channel(kind)
            .connect(&public, Some(&secrets), &platform)
            .unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

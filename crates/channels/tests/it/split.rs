use channels::{RawKind, channel};
use domain::{ChannelKind, Inbound};
use serde_json::{Value, json};

use crate::fixtures::post;

fn body(contacts: &[Value], messages: &[Value]) -> Vec<u8> {
    let value = json!({
        "metadata": {"phone_number_id": "1"},
        "contacts": contacts,
        "messages": messages,
    });
    serde_json::to_vec(&json!({"entry": [{"id": "2", "changes": [
        {"field": "messages", "value": value}
    ]}]}))
    .unwrap()
}

fn text(id: usize, from: &str) -> Value {
    json!({"id": format!("wamid.{id}"), "from": from, "timestamp": "1790416800", "type": "text",
        "text": {"body": "hello"}})
}

#[test]
fn a_thousand_messages_are_a_thousand_items() {
    let contacts: Vec<Value> = (0..1000)
        .rev()
        .map(|at| json!({"wa_id": format!("1555{at}"), "profile": {"name": format!("n{at}")}}))
        .collect();
    let messages: Vec<Value> = (0..1000).map(|at| text(at, &format!("1555{at}"))).collect();
    let whatsapp = channel(ChannelKind::Whatsapp);
    let items = whatsapp.split_items(&body(&contacts, &messages)).unwrap();
    assert_eq!(items.len(), 1000);
    for (at, item) in items.iter().enumerate() {
        let Ok(Inbound::Message(message)) = whatsapp.decode(&item.payload) else {
            panic!("{item:?}");
        };
        assert_eq!(message.external_id, format!("wamid.{at}"));
        assert_eq!(message.contact.display_name, Some(format!("n{at}")));
    }
}

#[test]
fn a_large_profile_does_not_multiply() {
    let contacts = [json!({"wa_id": "1", "profile": {"name": "n".repeat(100_000)}})];
    let messages: Vec<Value> = (0..1000).map(|at| text(at, "1")).collect();
    let items = channel(ChannelKind::Whatsapp)
        .split_items(&body(&contacts, &messages))
        .unwrap();
    let total: usize = items
        .iter()
        .map(|item| item.payload.to_string().len())
        .sum();
    assert!(total < 1_000_000, "{total} bytes");
}

#[test]
fn a_post_of_too_many_items_is_unreadable_as_a_whole() {
    let messages = vec![json!({}); 5001];
    let whatsapp = channel(ChannelKind::Whatsapp);
    assert!(whatsapp.split_items(&body(&[], &messages)).is_err());
    assert_eq!(
        whatsapp
            .split_items(&body(&[], &messages[..5000]))
            .unwrap()
            .len(),
        5000
    );
}

#[test]
fn a_profile_of_somebody_else_is_not_taken() {
    let contacts = [json!({"wa_id": "1", "user_id": "US.1", "profile": {"name": "Ana"}})];
    let whatsapp = channel(ChannelKind::Whatsapp);
    let items = whatsapp
        .split_items(&body(&contacts, &[text(1, "2")]))
        .unwrap();
    let Ok(Inbound::Message(message)) = whatsapp.decode(&items[0].payload) else {
        panic!("{items:?}");
    };
    assert_eq!(message.contact.external_id, "2");
    assert_eq!(message.contact.display_name, None);
    // Two messages that name nobody cannot be told apart.
    let nobody = json!({"id": "wamid.1", "timestamp": "1790416800", "type": "text"});
    let items = whatsapp
        .split_items(&body(&contacts, &[nobody.clone(), nobody]))
        .unwrap();
    assert!(
        items
            .iter()
            .all(|item| whatsapp.decode(&item.payload).is_err())
    );
}

#[test]
fn bodies_of_another_form_are_unreadable() {
    let whatsapp = channel(ChannelKind::Whatsapp);
    for body in ["", "x", "[]", "{}", "null", r#"{"entry": {}}"#] {
        assert!(whatsapp.split_items(body.as_bytes()).is_err(), "{body}");
    }
    assert_eq!(whatsapp.split_items(br#"{"entry": []}"#).unwrap(), []);
}

#[test]
fn halves_of_characters_and_nul_harm_nothing() {
    let post = String::from_utf8(post("text")).unwrap();
    let post = post.replace("When do you open?", r"cut \ud83d\u0000 here");
    let whatsapp = channel(ChannelKind::Whatsapp);
    let items = whatsapp.split_items(post.as_bytes()).unwrap();
    assert_eq!(items[0].kind, RawKind::Message);
    let Ok(Inbound::Message(message)) = whatsapp.decode(&items[0].payload) else {
        panic!("{items:?}");
    };
    assert_eq!(message.text, "cut \u{fffd}\u{fffd} here");
}

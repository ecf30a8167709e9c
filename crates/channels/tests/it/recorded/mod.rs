//! Posts recorded by others, which stay outside the repository: these tests read them from the folder
//! that the variable `METACHAT_PAYLOADS` names, and say so when it names none. `docs/testing.md` tells
//! what stands in it.

mod number;
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::channel;
use channels::whatsapp::verify;
use domain::{ChannelKind, ContentBody, Inbound, InboundMessage, InteractiveReply};
use serde_json::{Value, json};

fn folder() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("METACHAT_PAYLOADS") else {
        println!("skipped: METACHAT_PAYLOADS names no folder of recorded posts");
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.join("INDEX.json").is_file(), "{}", folder.display());
    Some(folder)
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn recorded_signatures_verify_for_their_own_body_only() {
    let Some(folder) = folder() else { return };
    let file = json_file(&folder.join("signature-vectors.json"));
    let vectors = file["vectors"].as_array().unwrap();
    let body = |vector: &Value| {
        STANDARD
            .decode(vector["body_base64"].as_str().unwrap())
            .unwrap()
    };
    for vector in vectors {
        let secret = vector["secret"].as_str().unwrap().as_bytes();
        let header = vector["header"].as_str().unwrap().as_bytes();
        for other in vectors {
            let is_own = vector["name"] == other["name"];
            let is_ok = verify(secret, &body(other), header).is_ok();
            assert_eq!(is_ok, is_own, "{} over {}", vector["name"], other["name"]);
        }
        for refused in file["must_reject_headers"].as_array().unwrap() {
            let header = refused.as_str().unwrap().as_bytes();
            assert!(verify(secret, &body(vector), header).is_err(), "{refused}");
        }
    }
}

#[test]
fn recorded_posts_decode_as_their_index_says() {
    let Some(folder) = folder() else { return };
    let index = json_file(&folder.join("INDEX.json"));
    let mut count = 0;
    for (name, about) in index.as_object().unwrap() {
        let of = match name.split('/').next() {
            Some("whatsapp") => ChannelKind::Whatsapp,
            Some("messenger") => ChannelKind::Messenger,
            _ => continue,
        };
        count += 1;
        let items = channel(of)
            .split_items(&fs::read(folder.join(name)).unwrap())
            .unwrap();
        let expected = about["expected"].as_array().unwrap();
        assert_eq!(items.len(), expected.len(), "{name}");
        for (item, expected) in items.iter().zip(expected) {
            let found = match of {
                ChannelKind::Messenger => page::seen(item, expected),
                _ => number::seen(item, expected),
            };
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(found.get(key), Some(value), "{name}: {key} in {found}");
            }
        }
        // A tap is a message here, and the index counts it apart; so it does what stands aside.
        let answered: BTreeSet<String> = items
            .iter()
            .filter_map(|item| match channel(of).decode(&item.payload) {
                Ok(Inbound::Message(message)) if is_counted(&message) => Some(message.external_id),
                _ => None,
            })
            .collect();
        assert_eq!(
            json!(answered.len()),
            about["new_messages_after_dedup"],
            "{name}"
        );
    }
    assert!(count > 70, "{count}");
}

fn is_counted(message: &InboundMessage) -> bool {
    let body = &message.content.body;
    let is_postback = matches!(
        body,
        ContentBody::Interactive {
            reply: InteractiveReply::Postback { .. }
        }
    );
    body.expects_answer() && !is_postback
}

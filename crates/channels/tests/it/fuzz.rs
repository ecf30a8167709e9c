//! Whatever comes in, nothing panics, nothing is left out, and what is stored reads back.

use channels::{Channel, HttpAnswer, channel};
use domain::{ChannelKind, Media, MediaKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixtures::{names_of, post_of};
use crate::samples::{connect, now};

/// Names that the channels use.
const NAMES: &str = "
    entry changes value metadata phone_number_id contacts messages statuses message_echoes
    calls errors field id time messaging standby message mid postback delivery read watermark
    mids reaction referral optin sender recipient timestamp type text body image interactive
    edit system context attachments payload is_echo app_id events contact content status event
    object parts from from_user_id wa_id user_preferences pricing
";

/// Words that they look at.
const WORDS: &str = "
    text image message messages page echo receipt 1790416800 2026-09-26T08:00:00Z
    user_preferences account_update read edit system whatsapp_business_account interactive
    sticker fallback parts
";

fn one_of(words: &'static str) -> impl Strategy<Value = String> + Clone {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    prop::sample::select(words)
}

/// JSON whose names and words are often those that the channels use.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Others lose their last digit on the way through a text.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 64.0)),
        one_of(WORDS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let field = (one_of(NAMES), inner.clone());
        let object = prop::collection::vec(field, 0..6)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()));
        let list = prop::collection::vec(inner, 0..6).prop_map(Value::from);
        prop_oneof![list, object]
    })
}

/// Takes a body all the way, and checks what must hold whatever it says.
fn take(channel: &dyn Channel, body: &[u8]) {
    let claimed = channel.claimed_channel_ids(body);
    let Ok(items) = channel.split_items(body) else {
        return;
    };
    for item in items {
        let text = item.payload.to_string();
        assert!(!text.contains("\\u0000"), "{text}");
        let stored: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(channel.decode(&stored), channel.decode(&item.payload));
        if let (Some(id), Ok(claimed)) = (&item.external_channel_id, &claimed) {
            assert!(claimed.contains(id), "{id} was not claimed");
        }
    }
}

/// Puts `part` in the place of one of the values of `value`, which `nth` counts.
fn replace(value: &mut Value, nth: &mut usize, part: &Value) {
    if *nth == 0 {
        *value = part.clone();
        *nth = usize::MAX;
        return;
    }
    *nth -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| {
            if *nth != usize::MAX {
                replace(item, nth, part);
            }
        }),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, field)| {
            if *nth != usize::MAX {
                replace(field, nth, part);
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_taken(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in ChannelKind::ALL {
            take(channel(*kind), &body);
        }
    }

    #[test]
    fn any_json_is_taken(value in any_json()) {
        let body = value.to_string();
        for kind in ChannelKind::ALL {
            let channel = channel(*kind);
            take(channel, body.as_bytes());
            let _decoded = channel.decode(&value);
            for name in ["message", "status", "echo", "call", "value", "event", "errors", "change"] {
                let payload = json!({name: value, "field": "account_update", "page_id": "1"});
                let _decoded = channel.decode(&payload);
            }
        }
    }

    #[test]
    fn a_fixture_with_a_strange_part_is_taken(
        nth in any::<prop::sample::Index>(), at in 0usize..60, part in any_json(),
    ) {
        for kind in [ChannelKind::Whatsapp, ChannelKind::Messenger, ChannelKind::Http] {
            let names = names_of(kind);
            let mut post: Value =
                serde_json::from_slice(&post_of(kind, &names[nth.index(names.len())])).unwrap();
            replace(&mut post, &mut at.clone(), &part);
            take(channel(kind), post.to_string().as_bytes());
        }
    }

    #[test]
    fn any_answer_is_read(
        status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..100), json in any_json(),
    ) {
        for kind in ChannelKind::ALL {
            let Some(connection) = connect(*kind) else { continue };
            for body in [body.clone(), json.to_string().into_bytes()] {
                let answer = HttpAnswer { status, retry_after: None, body: body.into() };
                let sent = connection.read_sent("tag", &answer);
                prop_assert!(sent.is_err() || answer.is_success());
                let _step = connection.read_address(&answer);
                let _id = connection.read_uploaded(&answer);
                for check in connection.checks(now()) {
                    connection.read_check(check.kind, Some(&answer));
                }
            }
        }
    }

    #[test]
    fn no_file_is_fetched_with_a_token_from_elsewhere(url in "(https?://)?\\PC{0,40}") {
        let media = Media {
            media_kind: MediaKind::Image, id: None, mime_type: None, filename: None, caption: None,
            voice: false, animated: false, sha256: None, url: Some(url),
        };
        for kind in [ChannelKind::Whatsapp, ChannelKind::Messenger] {
            prop_assert!(connect(kind).unwrap().fetch(&media).is_err());
        }
    }
}

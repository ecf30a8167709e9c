use channels::channel;
use domain::{ChannelKind, ContentBody, Inbound, InteractiveReply, MediaKind};
use serde_json::json;

use crate::expected::{HTTP, MESSENGER, WHATSAPP};
use crate::fixtures::{items, items_of, message, message_of, names_of, summary};

fn table(kind: ChannelKind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        ChannelKind::Whatsapp => WHATSAPP,
        ChannelKind::Messenger => MESSENGER,
        ChannelKind::Http => HTTP,
        ChannelKind::Webchat => &[],
    }
}

#[test]
fn every_fixture_says_what_is_expected() {
    for kind in [
        ChannelKind::Whatsapp,
        ChannelKind::Messenger,
        ChannelKind::Http,
    ] {
        let names = names_of(kind);
        let expected: Vec<&str> = table(kind).iter().map(|(name, _)| *name).collect();
        let found: Vec<(String, Vec<String>)> = names
            .iter()
            .map(|name| {
                let items = items_of(kind, name);
                (
                    name.clone(),
                    items.iter().map(|item| summary(kind, item)).collect(),
                )
            })
            .collect();
        assert_eq!(names, expected, "{found:#?}");
        for ((name, lines), (_, expected)) in found.iter().zip(table(kind)) {
            assert_eq!(lines, expected, "{kind} {name}");
        }
    }
}

#[test]
fn what_stands_around_a_message_is_kept_in_its_content() {
    let message = message("text-reply-and-referral");
    assert_eq!(message.reply_to(), Some("wamid.OUT1"));
    let stored = serde_json::to_value(&message.content).unwrap();
    assert_eq!(stored["context"]["frequently_forwarded"], true);
    assert_eq!(stored["context"]["referral"]["ctwa_clid"], "clid-1");
    assert_eq!(
        stored["context"]["referred_product"]["product_retailer_id"],
        "SODA"
    );
}

#[test]
fn the_time_is_the_channels() {
    assert_eq!(message("text").occurred_at.timestamp(), 1_790_416_800);
    assert_eq!(
        message("text-ids-as-numbers").occurred_at.timestamp(),
        1_790_416_800
    );
}

#[test]
fn media_keep_what_a_download_needs() {
    let ContentBody::Media(media) = message("image").content.body else {
        panic!("no media");
    };
    assert_eq!(media.media_kind, MediaKind::Image);
    assert_eq!(media.id.as_deref(), Some("500"));
    assert_eq!(media.mime_type.as_deref(), Some("image/jpeg"));
    assert_eq!(media.url.as_deref(), Some("https://media.example/500"));
    let failed = message("image-failed");
    assert_eq!(failed.content.context.errors[0].code, Some(131_052));
    assert_eq!(
        failed.content.context.errors[0].message,
        "the file is over 100 MB"
    );
}

#[test]
fn a_form_that_is_no_json_is_kept_as_it_came() {
    let form = |name| match message(name).content.body {
        ContentBody::Interactive {
            reply: InteractiveReply::Form { response, .. },
        } => response.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(form("form-reply")["count"], 2);
    assert_eq!(form("form-reply-broken"), json!("{not json"));
}

#[test]
fn notices_say_where_the_contact_is_from_here_on() {
    let notice = |name| match message(name).content.body {
        ContentBody::System(notice) => notice,
        other => panic!("{other:?}"),
    };
    let number = notice("system-number-changed");
    assert_eq!(number.change, "user_changed_number");
    assert_eq!(number.new_address.as_deref(), Some("15550005555"));
    let user_id = notice("system-user-id-changed");
    assert_eq!(
        user_id.new_external_id.as_deref(),
        Some("US.20000000000000000002")
    );
    assert_eq!(
        user_id.previous_external_id.as_deref(),
        Some("US.10000000000000000001")
    );
}

#[test]
fn what_is_not_understood_is_kept_beside_the_message() {
    let raw = |kind, name| match message_of(kind, name).content.body {
        ContentBody::Unsupported { channel_type, raw } => (channel_type.unwrap(), raw.unwrap()),
        other => panic!("{other:?}"),
    };
    let (channel_type, kept) = raw(ChannelKind::Whatsapp, "unknown-type");
    assert_eq!(channel_type, "hologram");
    assert!(kept.is_object(), "{kept}");
    let (channel_type, kept) = raw(ChannelKind::Http, "unknown-content");
    assert_eq!(
        (channel_type.as_str(), &kept["depth"]),
        ("hologram", &json!(3))
    );
    let (_, kept) = raw(ChannelKind::Messenger, "message-empty");
    assert_eq!(kept["mid"], "m_IN1");
}

#[test]
fn prices_come_with_statuses() {
    let items = items("status-sent");
    let Ok(Inbound::Status(status)) = channel(ChannelKind::Whatsapp).decode(&items[0].payload)
    else {
        panic!("no status");
    };
    let pricing = status.pricing.unwrap();
    assert_eq!(pricing.category.as_deref(), Some("service"));
}

#[test]
fn a_messenger_message_keeps_what_stands_around_it() {
    let message = message_of(ChannelKind::Messenger, "text-reply-and-referral");
    assert_eq!(message.reply_to(), Some("m_OUT1"));
    assert_eq!(message.content.context.referral.unwrap()["ad_id"], "55");
    let message = message_of(ChannelKind::Messenger, "postback");
    assert_eq!(message.external_id, "m_PB1");
    assert_eq!(message.content.context.referral.unwrap()["ref"], "door");
    let message = message_of(ChannelKind::Messenger, "product");
    assert_eq!(
        message.content.context.referred_product.unwrap()["id"],
        "SODA"
    );
    let message = message_of(ChannelKind::Messenger, "echo-of-a-person");
    assert_eq!(
        message.content.context.app_id.as_deref(),
        Some("263902037430900")
    );
}

#[test]
fn several_attachments_are_one_message_of_several_parts() {
    let message = message_of(ChannelKind::Messenger, "attachments-several");
    let ContentBody::Parts { parts } = &message.content.body else {
        panic!("{message:?}");
    };
    let kinds: Vec<String> = parts
        .iter()
        .map(|part| serde_json::to_value(part).unwrap()["type"].to_string())
        .collect();
    assert_eq!(
        kinds.join(" "),
        r#""text" "media" "media" "media" "media" "location" "text" "unsupported""#
    );
    assert!(message.content.expects_answer());
}

#[test]
fn an_event_without_an_id_gets_the_same_one_each_time_and_others_another() {
    let id = |name| message_of(ChannelKind::Messenger, name).external_id;
    assert_eq!(id("postback-without-id"), id("postback-without-id"));
    let ids = [
        "postback-without-id",
        "reaction",
        "reaction-taken-off",
        "referral",
    ]
    .map(id);
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[test]
fn what_opens_the_window_is_what_each_channel_says() {
    let opens = |kind, name| {
        let content = message_of(kind, name).content;
        channel(kind).opens_window(&content)
    };
    for (kind, name, expected) in [
        (ChannelKind::Whatsapp, "text", true),
        (ChannelKind::Whatsapp, "image", true),
        (ChannelKind::Whatsapp, "reaction", false),
        (ChannelKind::Whatsapp, "system-number-changed", false),
        (ChannelKind::Whatsapp, "text-group", false),
        (ChannelKind::Messenger, "text", true),
        (ChannelKind::Messenger, "postback", true),
        (ChannelKind::Messenger, "reaction", true),
        (ChannelKind::Messenger, "reaction-taken-off", false),
        (ChannelKind::Messenger, "referral", true),
        (ChannelKind::Messenger, "optin", false),
        (ChannelKind::Http, "reaction", true),
    ] {
        assert_eq!(opens(kind, name), expected, "{kind} {name}");
    }
    let call = items("call");
    let Ok(Inbound::Message(call)) = channel(ChannelKind::Whatsapp).decode(&call[1].payload) else {
        panic!("{call:?}");
    };
    assert!(channel(ChannelKind::Whatsapp).opens_window(&call.content));
    assert!(!call.content.expects_answer());
}

use std::fs;
use std::path::{Path, PathBuf};

use channels::{RawItem, RawKind, channel};
use domain::{ChannelKind, Inbound, InboundMessage};

/// The folder of the crate's own posts of a kind.
pub(crate) fn folder(kind: ChannelKind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(kind.as_str())
}

/// The body of one of the crate's own posts of a kind.
pub(crate) fn post_of(kind: ChannelKind, name: &str) -> Vec<u8> {
    fs::read(folder(kind).join(format!("{name}.json"))).unwrap()
}

/// The items of one of the crate's own posts of a kind.
pub(crate) fn items_of(kind: ChannelKind, name: &str) -> Vec<RawItem> {
    channel(kind).split_items(&post_of(kind, name)).unwrap()
}

/// The names of all of the crate's own posts of a kind, sorted.
pub(crate) fn names_of(kind: ChannelKind) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder(kind))
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The body of one of the crate's own posts of WhatsApp.
pub(crate) fn post(name: &str) -> Vec<u8> {
    post_of(ChannelKind::Whatsapp, name)
}

/// The items of one of the crate's own posts of WhatsApp.
pub(crate) fn items(name: &str) -> Vec<RawItem> {
    items_of(ChannelKind::Whatsapp, name)
}

/// The only message of one of the crate's own posts of a kind.
pub(crate) fn message_of(kind: ChannelKind, name: &str) -> InboundMessage {
    let items = items_of(kind, name);
    assert_eq!(items.len(), 1, "{name}");
    match channel(kind).decode(&items[0].payload) {
        Ok(Inbound::Message(message) | Inbound::Echo(message)) => message,
        other => panic!("{name}: {other:?}"),
    }
}

/// The first message of one of the crate's own posts of WhatsApp.
pub(crate) fn message(name: &str) -> InboundMessage {
    let items = items(name);
    let decoded = channel(ChannelKind::Whatsapp).decode(&items[0].payload);
    match decoded {
        Ok(Inbound::Message(message)) => message,
        other => panic!("{name}: {other:?}"),
    }
}

/// One line per item: its place in the post, and what it says.
pub(crate) fn summary(of: ChannelKind, item: &RawItem) -> String {
    let kind = match item.kind {
        RawKind::Message => "message",
        RawKind::Status => "status",
        RawKind::Echo => "echo",
        RawKind::Event => "event",
        RawKind::Unreadable => "unreadable",
    };
    let channel_id = item.external_channel_id.as_deref().unwrap_or("-");
    let said = match channel(of).decode(&item.payload) {
        Ok(Inbound::Message(message)) => of_message("message", &message),
        Ok(Inbound::Echo(message)) => of_message("echo", &message),
        Ok(Inbound::Status(status)) => format!(
            "status {} {} of {} tag={} error={}",
            status.external_id,
            status.status,
            status.recipient.as_deref().unwrap_or("-"),
            status.tag.as_deref().unwrap_or("-"),
            status.error_code.unwrap_or(0),
        ),
        Ok(Inbound::Receipt(receipt)) => format!(
            "receipt {} by {} of {} up to {}",
            receipt.status,
            receipt.contact_external_id,
            receipt.external_ids.join(","),
            receipt
                .up_to
                .map_or("-".to_owned(), |time| time.timestamp_millis().to_string()),
        ),
        Ok(Inbound::Handover(handover)) => format!(
            "handover {:?} of {} from {} to {}: {}",
            handover.change,
            handover.contact_external_id,
            handover.previous_owner_app_id.as_deref().unwrap_or("-"),
            handover.new_owner_app_id.as_deref().unwrap_or("-"),
            handover.metadata.as_deref().unwrap_or("-"),
        ),
        Ok(Inbound::Account(event)) => format!(
            "account {} {} {:?} {}",
            event.kind,
            event.event.as_deref().unwrap_or("-"),
            event.effect,
            event.note.as_deref().unwrap_or("-"),
        ),
        Ok(Inbound::Other { kind, note }) => {
            format!("other {kind} {}", note.as_deref().unwrap_or("-"))
        }
        Err(error) => format!("unreadable: {error}"),
    };
    format!("{kind} {channel_id} {said}")
}

fn of_message(what: &str, message: &InboundMessage) -> String {
    let contact = &message.contact;
    let name = contact.display_name.as_deref().unwrap_or("-");
    let answer = if message.content.expects_answer() {
        ""
    } else {
        " (no answer)"
    };
    format!(
        "{what} {} {}/{}/{name}: {}{answer}",
        message.external_id, contact.external_id, contact.address, message.text
    )
}

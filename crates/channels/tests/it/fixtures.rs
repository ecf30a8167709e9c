use std::fs;
use std::path::{Path, PathBuf};

use channels::{RawItem, RawKind, channel};
use domain::{ChannelKind, Inbound, InboundMessage};

/// The folder of the crate's own posts.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/whatsapp")
}

/// The body of one of the crate's own posts.
pub(crate) fn post(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.json"))).unwrap()
}

/// The items of one of the crate's own posts.
pub(crate) fn items(name: &str) -> Vec<RawItem> {
    channel(ChannelKind::Whatsapp)
        .split_items(&post(name))
        .unwrap()
}

/// The only message of one of the crate's own posts.
pub(crate) fn message(name: &str) -> InboundMessage {
    let items = items(name);
    let decoded = channel(ChannelKind::Whatsapp).decode(&items[0].payload);
    match decoded {
        Ok(Inbound::Message(message)) => message,
        other => panic!("{name}: {other:?}"),
    }
}

/// One line per item: its place in the post, and what it says.
pub(crate) fn summary(item: &RawItem) -> String {
    let kind = match item.kind {
        RawKind::Message => "message",
        RawKind::Status => "status",
        RawKind::Echo => "echo",
        RawKind::Event => "event",
        RawKind::Unreadable => "unreadable",
    };
    let channel_id = item.external_channel_id.as_deref().unwrap_or("-");
    let said = match channel(ChannelKind::Whatsapp).decode(&item.payload) {
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

//! What the tests of all channels share: configurations, posts, contents.

use channels::{
    Connection, Graph, HttpAnswer, Outgoing, Permit, Platform, channel, parse, webchat,
};
use chrono::{DateTime, Utc};
use domain::{
    Author, ChannelKind, Choice, Choices, Content, Location, MediaFile, MediaKind, MessageFileId,
    OutgoingMedia, Template, WebchatSessionId,
};
use serde_json::{Value, json};

use crate::fixtures::post_of;

/// A secret in a form that every kind takes.
pub(crate) const SECRET: &str = "whsec_aHVudGVyMi1pcy1ub3QtYS1nb29kLXNlY3JldA==";

/// A configuration full of secrets.
pub(crate) fn config(kind: ChannelKind) -> Value {
    match kind {
        ChannelKind::Whatsapp => json!({
            "phone_number_id": "200000000000001", "business_account_id": "100000000000001",
            "access_token": SECRET, "app_secret": SECRET, "previous_app_secret": SECRET,
            "verify_token": SECRET,
        }),
        ChannelKind::Messenger => json!({
            "page_id": "300000000000001", "page_access_token": SECRET, "app_secret": SECRET,
            "verify_token": SECRET,
        }),
        ChannelKind::Http => json!({
            "send_url": "https://shop.example/chat", "secret": SECRET, "previous_secret": SECRET,
        }),
        ChannelKind::Webchat => json!({"title": "Shop"}),
    }
}

/// A genuine post that holds one message.
pub(crate) fn post(kind: ChannelKind) -> Vec<u8> {
    match kind {
        ChannelKind::Webchat => serde_json::to_vec(&webchat::Item {
            session_id: WebchatSessionId::new(),
            visitor_id: "v".to_owned(),
            client_id: "c".to_owned(),
            text: "hello".to_owned(),
            attachment: None,
            occurred_at: now(),
        })
        .unwrap(),
        ChannelKind::Whatsapp | ChannelKind::Messenger | ChannelKind::Http => post_of(kind, "text"),
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_416_800, 0).unwrap()
}

pub(crate) fn platform() -> Platform {
    Platform {
        graph: Graph {
            url: "https://graph.example/".parse().unwrap(),
            version: "v25.0".to_owned(),
        },
        app_id: Some("900000000000001".to_owned()),
    }
}

pub(crate) fn connect(kind: ChannelKind) -> Option<Box<dyn Connection>> {
    let parsed = parse(kind, config(kind)).unwrap();
    channel(kind)
        .connect(&parsed.public, parsed.secrets.as_ref(), &platform())
        .unwrap()
}

pub(crate) fn outgoing(content: &Content) -> Outgoing<'_> {
    Outgoing {
        content,
        to: "7000000000000001",
        tag: "0198c1de-7a3f-7c1e-9d54-6a2f0c3b8e11",
        reply_to: None,
        author: Author::Assistant,
        permit: &Permit::Free,
        now: now(),
    }
}

pub(crate) fn answer(status: u16, body: impl Into<bytes::Bytes>) -> HttpAnswer {
    HttpAnswer {
        status,
        retry_after: None,
        body: body.into(),
    }
}

pub(crate) fn media(media_kind: MediaKind, caption: Option<&str>) -> Content {
    Content::Media(OutgoingMedia {
        media_kind,
        file: MediaFile::Link("https://shop.example/a.bin".to_owned()),
        caption: caption.map(str::to_owned),
        filename: Some("a.bin".to_owned()),
        media_type: None,
        voice: false,
    })
}

/// A file that is kept here.
pub(crate) fn kept(media_kind: MediaKind) -> Content {
    Content::Media(OutgoingMedia {
        media_kind,
        file: MediaFile::Kept(MessageFileId::new()),
        caption: None,
        filename: Some("a.bin".to_owned()),
        media_type: None,
        voice: false,
    })
}

pub(crate) fn choices(titles: &[&str]) -> Content {
    let choice = |(at, title): (usize, &&str)| Choice {
        id: format!("choice-{at}"),
        title: (*title).to_owned(),
        description: None,
    };
    Content::Choices(Choices {
        body: "When shall we **call**?".to_owned(),
        footer: None,
        label: None,
        choices: titles.iter().enumerate().map(choice).collect(),
    })
}

/// Contents of every kind, within and beyond what channels can carry; the template is the eighth.
pub(crate) fn contents() -> Vec<Content> {
    let mut contents = vec![
        Content::text("hello"),
        Content::text("**long** words 👍\n".repeat(1000)),
        Content::text(format!("```\n{}```", "let code = 1;\n".repeat(1000))),
        choices(&["Now", "Later"]),
        choices(&["a"; 40]),
        choices(&["a title that is far too long to stand on any button"]),
        Content::Location(Location {
            latitude: 52.52,
            longitude: 13.405,
            name: Some("The shop".to_owned()),
            address: None,
            url: None,
        }),
        Content::Template(Template {
            name: "order_ready".to_owned(),
            language: "en".to_owned(),
            header: None,
            body: Vec::new(),
            buttons: Vec::new(),
        }),
        Content::Reaction {
            target: "m".to_owned(),
            emoji: Some("👍".to_owned()),
        },
    ];
    let long = "words ".repeat(500);
    for media_kind in [
        MediaKind::Image,
        MediaKind::Video,
        MediaKind::Audio,
        MediaKind::Document,
        MediaKind::Sticker,
    ] {
        for caption in [None, Some("short"), Some(long.as_str())] {
            contents.push(media(media_kind, caption));
        }
    }
    contents
}

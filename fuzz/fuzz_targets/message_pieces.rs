//! Long answers in pieces: each fits its channel and says something, and together they say all.
#![no_main]

use arbitrary::Arbitrary;
use channels::{Outgoing, Permit, channel};
use chrono::DateTime;
use domain::{
    Author, ChannelKind, Choice, Choices, Content, Location, MediaFile, MediaKind, OutgoingMedia,
};
use fuzz::{Text, connect, letters};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    what: What,
    any: Text,
    plain: Text,
}

#[derive(Arbitrary, Debug)]
enum What {
    Text,
    Media(u8, bool),
    Location(i16, i16),
    Choices(
        Vec<(String, String, Option<String>)>,
        Option<String>,
        Option<String>,
    ),
    Reaction(String),
}

fuzz_target!(|input: Input| {
    let any = input.any.build(30_000);
    let plain = input.plain.build_plain(12_000);
    for kind in ChannelKind::ALL {
        check_whole(*kind, &plain);
        check_fits(*kind, &Content::text(any.clone()));
        check_fits(*kind, &content(&input.what, &any));
    }
});

fn content(what: &What, words: &str) -> Content {
    match what {
        What::Text => Content::text(words.to_owned()),
        What::Media(kind, is_link) => {
            let kinds = [
                MediaKind::Image,
                MediaKind::Video,
                MediaKind::Audio,
                MediaKind::Document,
                MediaKind::Sticker,
            ];
            Content::Media(OutgoingMedia {
                media_kind: kinds[usize::from(*kind) % kinds.len()],
                file: if *is_link {
                    MediaFile::Link("https://files.example/a".to_owned())
                } else {
                    MediaFile::Uploaded("1".to_owned())
                },
                caption: Some(words.to_owned()),
                filename: None,
                media_type: None,
                voice: false,
            })
        }
        What::Location(latitude, longitude) => Content::Location(Location {
            latitude: f64::from(*latitude) / 400.0,
            longitude: f64::from(*longitude) / 200.0,
            name: Some(words.to_owned()),
            address: None,
            url: None,
        }),
        What::Choices(choices, footer, label) => Content::Choices(Choices {
            body: words.to_owned(),
            footer: footer.clone(),
            label: label.clone(),
            choices: choices
                .iter()
                .map(|(id, title, description)| Choice {
                    id: id.clone(),
                    title: title.clone(),
                    description: description.clone(),
                })
                .collect(),
        }),
        What::Reaction(emoji) => Content::Reaction {
            target: "wamid.1".to_owned(),
            emoji: Some(emoji.clone()),
        },
    }
}

/// Whatever is planned can be sent, each by itself.
fn check_fits(kind: ChannelKind, content: &Content) {
    let channel = channel(kind);
    let Ok(pieces) = channel.plan(content) else {
        return;
    };
    assert!(!pieces.is_empty());
    let limit = channel.capabilities().max_text_units.unwrap_or(usize::MAX);
    for piece in &pieces {
        if let Content::Text { body } = piece {
            let shown = channel.format(body);
            assert!(shown.encode_utf16().count() <= limit, "{kind}: {shown:?}");
            assert!(!shown.trim().is_empty(), "{kind}: {body:?}");
        }
        // A piece of a plan needs no plan of its own.
        if channel.capabilities().max_text_units.is_some() {
            assert_eq!(
                channel.plan(piece).map(|again| again.len()),
                Ok(1),
                "{piece:?}"
            );
        }
        if let Some(connection) = connect(kind) {
            let sent = connection.encode(&Outgoing {
                content: piece,
                to: "491700000001",
                tag: "m-1",
                reply_to: None,
                author: Author::Assistant,
                permit: &Permit::Free,
                now: DateTime::UNIX_EPOCH,
            });
            assert!(sent.is_ok(), "{kind}: {sent:?} of {piece:?}");
        }
    }
}

/// No letter is lost between a text and its pieces.
fn check_whole(kind: ChannelKind, text: &str) {
    let Ok(pieces) = channel(kind).plan(&Content::text(text.to_owned())) else {
        // White space around a text says nothing, though it may keep a mark from being one.
        let shown = channel(kind).format(text.trim());
        return assert!(shown.trim().is_empty(), "{kind}: {text:?}");
    };
    let said: String = pieces
        .iter()
        .map(|piece| match piece {
            Content::Text { body } => letters(&channel(kind).format(body)),
            other => panic!("a text became {other:?}"),
        })
        .collect();
    assert_eq!(said, letters(text), "{kind}");
}

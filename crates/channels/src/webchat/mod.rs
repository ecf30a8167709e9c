//! The chat bubble on a web site.
//!
//! Nothing is posted from outside: our own API makes each item from a session it has checked, as
//! [`Item`], and an answer is delivered by telling the session's open connections.
//!
//! | item | [`RawKind`] | [`Inbound`] |
//! |---|---|---|
//! | [`Item`] | Message | `Message`: `Text`, or `Media` with the words as its caption |
//! | anything else | Unreadable | fails as [`Unreadable`] |

mod attachment;
mod item;
mod settings;

use domain::{ChannelKind, Content, Inbound, MediaFile, NormalizedContent, Source};
use secrecy::SecretString;
use serde_json::Value;

pub use attachment::{AttachmentType, SNIFFED_BYTES};
pub use item::{Attached, Item, MAX_CLIENT_ID_CHARS, MAX_TEXT_CHARS};
pub use settings::WebchatConfig;

use crate::lenient::read_json;
use crate::plan::{numbered, place, texts};
use crate::{
    BrokenSettings, Capabilities, Channel, Citations, Connection, Delivery, Markup, Permit,
    Platform, Post, RawItem, RawKind, Schema, SignatureError, Situation, Unreadable, Unsupported,
    Verified,
};

const CAPABILITIES: Capabilities = Capabilities {
    max_text_units: None,
    markup: Markup::Markdown,
    reply_window: None,
    has_statuses: false,
    has_idempotent_sends: true,
    has_choices: false,
    has_media: true,
    has_uploads: false,
    has_templates: false,
    has_typing: true,
    has_echoes: false,
    has_handshake: false,
    delivery: Delivery::LivePush,
    signature_header: None,
};

/// The channel of kind [`ChannelKind::Webchat`].
#[derive(Clone, Copy, Debug)]
pub struct Webchat;

impl Channel for Webchat {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webchat
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn schema(&self) -> Schema {
        settings::SCHEMA
    }

    fn verify(&self, _: &[&SecretString], _: &Post<'_>) -> Result<Verified, SignatureError> {
        Err(SignatureError::NotSigned)
    }

    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable> {
        let payload = read_json(body)?;
        let kind = if Item::read(&payload).is_ok() {
            RawKind::Message
        } else {
            RawKind::Unreadable
        };
        Ok(vec![RawItem {
            external_channel_id: None,
            external_account_id: None,
            kind,
            payload,
        }])
    }

    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable> {
        Item::read(payload).map(|item| Inbound::Message(item.into_message()))
    }

    fn opens_window(&self, _: &NormalizedContent) -> bool {
        true
    }

    fn permit(&self, _: &Situation<'_>) -> Permit {
        Permit::Free
    }

    /// Files that are kept here are shown as such. All else is text: the chat shows Markdown, and links
    /// to files and places elsewhere with it.
    fn plan(&self, content: &Content) -> Result<Vec<Content>, Unsupported> {
        let nothing = refused("there is nothing to send");
        let text = |markdown: &str| texts(markdown, &CAPABILITIES, nothing);
        match content {
            Content::Text { body } => text(body),
            Content::Choices(choices) => text(&numbered(choices)),
            Content::Location(location) => text(&place(location)),
            Content::Media(media) => match &media.file {
                MediaFile::Link(url) => {
                    let caption = media.caption.as_deref().unwrap_or_default();
                    text(format!("<{url}>\n{caption}").trim_end())
                }
                MediaFile::Kept(_) => Ok(vec![content.clone()]),
                MediaFile::Uploaded(_) => Err(refused("a file must have an address")),
            },
            Content::Template(_) => Err(refused("it has no templates")),
            Content::Reaction { .. } => Err(refused("it has no reactions")),
        }
    }

    /// The chat shows the sources beside the answer.
    fn cite(&self, markdown: &str, sources: &[Source], citations: Citations) -> String {
        match citations {
            Citations::Hidden => crate::cite(markdown, sources, Citations::Hidden),
            Citations::Listed | Citations::Beside => markdown.to_owned(),
        }
    }

    fn connect(
        &self,
        public: &Value,
        _: Option<&Value>,
        _: &Platform,
    ) -> Result<Option<Box<dyn Connection>>, BrokenSettings> {
        let _: WebchatConfig = crate::settings::stored("the configuration", Some(public))?;
        Ok(None)
    }
}

const fn refused(reason: &'static str) -> Unsupported {
    Unsupported {
        channel: ChannelKind::Webchat,
        reason,
    }
}

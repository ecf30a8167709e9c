//! The generic channel: signed posts from and to any system of a tenant's.
//!
//! `docs/channels-http.md` describes it for those who build the other side. Posts in both directions
//! are signed as Standard Webhooks says, and a post to us is one event or `{"events": […]}`.
//!
//! | `type` | [`RawKind`] | [`Inbound`] |
//! |---|---|---|
//! | `message` | Message | `Message`, its `content` or its `text` |
//! | `echo` | Echo | `Echo`: a person wrote in the other system |
//! | `status` | Status | `Status` |
//! | `receipt` | Status | `Receipt` |
//! | any other | Event | `Other`, kind is the type |
//! | what is no object | Unreadable | fails as [`Unreadable`] |

mod connection;
mod event;
mod settings;
mod signature;

use domain::{ChannelKind, Content, Inbound, NormalizedContent};
use secrecy::SecretString;
use serde_json::{Value, json};

pub use event::MAX_TEXT_CHARS;
pub use settings::{HttpConfig, HttpSecrets};
pub use signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};

use crate::lenient::{read_json, text};
use crate::plan::texts;
use crate::settings::stored;
use crate::{
    BrokenSettings, Capabilities, Channel, Connection, Delivery, Keys, Markup, Permit, Platform,
    Post, RawItem, RawKind, Schema, SignatureError, Situation, Unreadable, Unsupported, Verified,
};

/// The most events of one post.
pub const MAX_EVENTS: usize = 1000;

const CAPABILITIES: Capabilities = Capabilities {
    max_text_units: None,
    markup: Markup::Markdown,
    reply_window: None,
    has_statuses: true,
    has_idempotent_sends: true,
    has_choices: true,
    has_media: true,
    has_uploads: false,
    has_templates: true,
    has_typing: false,
    has_echoes: true,
    has_handshake: false,
    delivery: Delivery::Request,
    signature_header: Some(SIGNATURE_HEADER),
};

/// The field of an item's payload that holds the event.
const EVENT: &str = "event";

/// The channel of kind [`ChannelKind::Http`].
#[derive(Clone, Copy, Debug)]
pub struct HttpChannel;

impl Channel for HttpChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Http
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn schema(&self) -> Schema {
        settings::SCHEMA
    }

    fn keys(&self, secrets: Option<&Value>) -> Result<Keys, BrokenSettings> {
        let secrets: HttpSecrets = stored("the secrets", secrets)?;
        Ok(Keys {
            signing: secrets.signing().into_iter().cloned().collect(),
            verify_token: None,
        })
    }

    fn verify(
        &self,
        secrets: &[&SecretString],
        post: &Post<'_>,
    ) -> Result<Verified, SignatureError> {
        signature::verify(secrets, post)
    }

    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable> {
        let post = read_json(body)?;
        let events = match post {
            Value::Object(mut fields) => match fields.shift_remove("events") {
                Some(Value::Array(events)) => events,
                Some(_) => return Err(Unreadable::new("`events` is not a list")),
                None => vec![Value::Object(fields)],
            },
            _ => {
                return Err(Unreadable::new(
                    "the body is neither an event nor a list of them",
                ));
            }
        };
        if events.len() > MAX_EVENTS {
            return Err(Unreadable::new(format!(
                "the body holds more than {MAX_EVENTS} events"
            )));
        }
        let item = |event: Value| RawItem {
            external_channel_id: None,
            external_account_id: None,
            kind: kind_of(&event),
            payload: json!({ EVENT: event }),
        };
        Ok(events.into_iter().map(item).collect())
    }

    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable> {
        let event = payload
            .get(EVENT)
            .ok_or_else(|| Unreadable::new("the payload is not one of this channel"))?;
        event::decode(event)
    }

    fn opens_window(&self, _: &NormalizedContent) -> bool {
        true
    }

    fn permit(&self, situation: &Situation<'_>) -> Permit {
        match situation.content {
            Content::Template(_) => Permit::Approved,
            _ => Permit::Free,
        }
    }

    fn plan(&self, content: &Content) -> Result<Vec<Content>, Unsupported> {
        match content {
            Content::Text { body } => {
                texts(body, &CAPABILITIES, refused("there is nothing to send"))
            }
            Content::Media(_)
            | Content::Location(_)
            | Content::Choices(_)
            | Content::Template(_)
            | Content::Reaction { .. } => Ok(vec![content.clone()]),
        }
    }

    fn connect(
        &self,
        public: &Value,
        secrets: Option<&Value>,
        _: &Platform,
    ) -> Result<Option<Box<dyn Connection>>, BrokenSettings> {
        let config: HttpConfig = stored("the configuration", Some(public))?;
        let secrets: HttpSecrets = stored("the secrets", secrets)?;
        let other = connection::OtherSystem::new(config, &secrets)?;
        Ok(Some(Box::new(other)))
    }
}

const fn refused(reason: &'static str) -> Unsupported {
    Unsupported {
        channel: ChannelKind::Http,
        reason,
    }
}

fn kind_of(event: &Value) -> RawKind {
    if !event.is_object() {
        return RawKind::Unreadable;
    }
    match text(event, "type").as_deref() {
        Some("message") => RawKind::Message,
        Some("echo") => RawKind::Echo,
        Some("status" | "receipt") => RawKind::Status,
        Some(_) | None => RawKind::Event,
    }
}

//! WhatsApp Business, Cloud API.
//!
//! # What becomes of an item
//!
//! | in the post | [`RawKind`](crate::RawKind) | [`Inbound`] |
//! |---|---|---|
//! | `messages[]` text | Message | `Message`, `Text` |
//! | `messages[]` image, video, audio, document, sticker | Message | `Message`, `Media`; without an id where `errors[]` says why |
//! | `messages[]` location | Message | `Message`, `Location` |
//! | `messages[]` contacts | Message | `Message`, `Contacts` |
//! | `messages[]` interactive (`button_reply`, `list_reply`, `nfm_reply`, none) | Message | `Message`, `Interactive` |
//! | `messages[]` button | Message | `Message`, `Interactive` (`TemplateButton`) |
//! | `messages[]` order | Message | `Message`, `Order` |
//! | `messages[]` reaction, with or without an emoji | Message | `Message`, `Reaction`; expects no answer |
//! | `messages[]` system | Message | `Message`, `System`; expects no answer |
//! | `messages[]` edit, revoke | Message | `Message`, `Edit` or `Revoke`; expects no answer |
//! | `messages[]` unsupported, any other type | Message | `Message`, `Unsupported`; expects no answer |
//! | `statuses[]` sent, delivered, read, failed | Status | `Status` |
//! | `statuses[]` played | Status | `Status`, `read` |
//! | `statuses[]` any other | Status | `Other`, kind `status:<name>` |
//! | `statuses[]` of a call | Status | `Other`, kind `call:<name>` |
//! | `calls[]` | Message | `Message`, `System` (`call:<event>`); expects no answer |
//! | `smb_message_echoes[]` | Echo | `Echo`, content as above |
//! | `errors[]` beside messages or alone | Event | `Other`, kind `value_error` |
//! | a `field` about the account, a number, a template or consents | Event | `Account` |
//! | another `field`, an entry without changes | Event | `Other`, kind is the field, or `entry` |
//! | another `object` | Event | `Other`, kind `object:<name>` |
//! | what is no object where one must be | Unreadable | fails as [`Unreadable`] |

mod account;
mod connection;
mod content;
mod decode;
mod error;
mod media;
mod message;
mod plan;
mod send;
mod settings;
mod split;

use std::time::Duration;

use domain::{ChannelKind, Content, ContentBody, Inbound, NormalizedContent};
use secrecy::SecretString;
use serde_json::Value;

pub use settings::{WhatsappConfig, WhatsappSecrets};

pub use crate::meta::{Graph, verify, verify_subscription};
pub use crate::send::{SendClass, SendError, Sent};

use crate::claims::claimed_ids;
use crate::meta::{SIGNATURE_HEADER, verify_post};
use crate::settings::stored;
use crate::window::templates_outside;
use crate::{
    BrokenSettings, Capabilities, Channel, ClaimError, Connection, Delivery, Handshake,
    HandshakeError, Keys, Markup, Permit, Platform, Post, REPLY_WINDOW, RawItem, Schema,
    SignatureError, Situation, Unreadable, Unsupported, Verified,
};

/// The longest body of a text message.
///
/// Source: <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/text-messages>, 2026-05.
pub const MAX_TEXT_UNITS: usize = 4096;

/// How long a typing indicator is seen where no answer comes.
///
/// Source: <https://developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators>, 2026-05.
pub const TYPING_LASTS: Duration = Duration::from_secs(25);

const CAPABILITIES: Capabilities = Capabilities {
    max_text_units: Some(MAX_TEXT_UNITS),
    markup: Markup::Whatsapp,
    reply_window: Some(REPLY_WINDOW),
    has_statuses: true,
    has_idempotent_sends: false,
    has_choices: true,
    has_media: true,
    has_uploads: true,
    has_templates: true,
    has_typing: true,
    has_echoes: true,
    has_handshake: true,
    delivery: Delivery::Request,
    signature_header: Some(SIGNATURE_HEADER),
};

/// The channel of kind [`ChannelKind::Whatsapp`].
#[derive(Clone, Copy, Debug)]
pub struct Whatsapp;

/// Lists the distinct phone number ids a post names, see [`Channel::claimed_channel_ids`].
///
/// # Errors
/// [`ClaimError`].
pub fn claimed_channel_ids(body: &[u8]) -> Result<Vec<String>, ClaimError> {
    let path = ["entry", "changes", "value", "metadata", "phone_number_id"];
    claimed_ids(body, &path)
}

impl Channel for Whatsapp {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Whatsapp
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn schema(&self) -> Schema {
        settings::SCHEMA
    }

    fn handshake(
        &self,
        query: Handshake<'_>,
        expected: &[&SecretString],
    ) -> Result<String, HandshakeError> {
        let Handshake {
            mode,
            token,
            challenge,
        } = query;
        verify_subscription(mode, token, challenge, expected.iter().copied()).map(str::to_owned)
    }

    fn claimed_channel_ids(&self, body: &[u8]) -> Result<Vec<String>, ClaimError> {
        claimed_channel_ids(body)
    }

    fn keys(&self, secrets: Option<&Value>) -> Result<Keys, BrokenSettings> {
        crate::keys::of_meta(secrets)
    }

    fn verify(
        &self,
        secrets: &[&SecretString],
        post: &Post<'_>,
    ) -> Result<Verified, SignatureError> {
        verify_post(secrets, post)
    }

    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable> {
        split::split_items(body)
    }

    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable> {
        decode::decode(payload)
    }

    /// Messages and calls do; whether a reaction does, Meta does not say.
    fn opens_window(&self, content: &NormalizedContent) -> bool {
        match &content.body {
            ContentBody::System(notice) => notice.change.starts_with("call:"),
            ContentBody::Reaction { .. }
            | ContentBody::Revoke { .. }
            | ContentBody::Edit { .. } => false,
            ContentBody::Text { .. }
            | ContentBody::Media(_)
            | ContentBody::Location(_)
            | ContentBody::Contacts { .. }
            | ContentBody::Interactive { .. }
            | ContentBody::Order(_)
            | ContentBody::Parts { .. }
            | ContentBody::Unsupported { .. } => content.context.group_id.is_none(),
        }
    }

    fn permit(&self, situation: &Situation<'_>) -> Permit {
        templates_outside(situation)
    }

    fn plan(&self, content: &Content) -> Result<Vec<Content>, Unsupported> {
        plan::plan(content)
    }

    fn connect(
        &self,
        public: &Value,
        secrets: Option<&Value>,
        platform: &Platform,
    ) -> Result<Option<Box<dyn Connection>>, BrokenSettings> {
        let number = connection::Number::new(
            stored("the configuration", Some(public))?,
            stored("the secrets", secrets)?,
            platform,
        );
        Ok(Some(Box::new(number)))
    }
}

/// Names of the fields of an item's payload; `split` writes them and `decode` reads them.
mod field {
    /// The post's `object`.
    pub(super) const OBJECT: &str = "object";
    /// The entry's `id`: the WhatsApp Business Account.
    pub(super) const ENTRY_ID: &str = "entry_id";
    /// The change's `field`.
    pub(super) const FIELD: &str = "field";
    /// The number's id.
    pub(super) const PHONE_NUMBER_ID: &str = "phone_number_id";
    /// The number as people write it.
    pub(super) const DISPLAY_PHONE_NUMBER: &str = "display_phone_number";
    /// The profile of the person a message or echo concerns.
    pub(super) const CONTACT: &str = "contact";
    /// One of `messages[]`.
    pub(super) const MESSAGE: &str = "message";
    /// One of `statuses[]`.
    pub(super) const STATUS: &str = "status";
    /// One of `calls[]`.
    pub(super) const CALL: &str = "call";
    /// One of `message_echoes[]`.
    pub(super) const ECHO: &str = "echo";
    /// The list `errors[]`.
    pub(super) const ERRORS: &str = "errors";
    /// The whole of what is not looked into.
    pub(super) const VALUE: &str = "value";
    /// The whole of what is not in the channel's form.
    pub(super) const MALFORMED: &str = "malformed";
}

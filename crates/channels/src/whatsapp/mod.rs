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
//! | `smb_message_echoes[]` | Echo | `Echo`, content as above |
//! | `errors[]` beside messages or alone | Event | `Other`, kind `value_error` |
//! | another `field`, an entry without changes | Event | `Other`, kind is the field, or `entry` |
//! | another `object` | Event | `Other`, kind `object:<name>` |
//! | what is no object where one must be | Unreadable | fails as [`Unreadable`] |

mod claims;
mod content;
mod decode;
mod graph_error;
mod markup;
mod outbound;
mod settings;
mod signature;
mod split;
mod subscription;

use std::time::Duration;

use domain::{ChannelKind, Content, Inbound};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use claims::{ClaimError, MAX_CLAIMED_CHANNELS, claimed_channel_ids};
pub use graph_error::SendClass;
pub use markup::to_markup;
pub use outbound::{Graph, SendError, SendRequest, Sent, send};
pub(crate) use settings::parse_settings;
pub use settings::{WhatsappConfig, WhatsappSecrets};
pub use signature::{Matched, verify};
pub use subscription::{SubscriptionError, verify_subscription};

use crate::{
    Capabilities, Channel, Delivery, RawItem, SignatureError, Unreadable, Unsupported, split_text,
};

/// The longest body of a text message.
///
/// Source: <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/text-messages>, 2026-05.
pub const MAX_TEXT_UNITS: usize = 4096;

/// The channel of kind [`ChannelKind::Whatsapp`].
#[derive(Clone, Copy, Debug)]
pub struct Whatsapp;

impl Channel for Whatsapp {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Whatsapp
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_text_units: Some(MAX_TEXT_UNITS),
            reply_window: Some(Duration::from_hours(24)),
            has_statuses: true,
            delivery: Delivery::Request,
            signature_header: Some("x-hub-signature-256"),
        }
    }

    fn verify(
        &self,
        secret: &SecretString,
        body: &[u8],
        header: Option<&[u8]>,
    ) -> Result<(), SignatureError> {
        let header = header.ok_or(SignatureError::Missing)?;
        verify(secret.expose_secret().as_bytes(), body, header).map(|_| ())
    }

    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable> {
        split::split_items(body)
    }

    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable> {
        decode::decode(payload)
    }

    fn encode(&self, content: &Content) -> Result<Vec<String>, Unsupported> {
        match content {
            Content::Text { body } => Ok(split_text(&to_markup(body), MAX_TEXT_UNITS)),
        }
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
    /// One of `message_echoes[]`.
    pub(super) const ECHO: &str = "echo";
    /// The list `errors[]`.
    pub(super) const ERRORS: &str = "errors";
    /// The whole of what is not looked into.
    pub(super) const VALUE: &str = "value";
    /// The whole of what is not in the channel's form.
    pub(super) const MALFORMED: &str = "malformed";
}

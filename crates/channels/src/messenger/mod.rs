//! Facebook Messenger, for one page.
//!
//! # What becomes of an item
//!
//! | in `messaging[]` or `standby[]` | [`RawKind`](crate::RawKind) | [`Inbound`] |
//! |---|---|---|
//! | `message` with text, attachments, a quick reply | Message | `Message`: `Text`, `Media`, `Location`, `Interactive`, or `Parts` of several |
//! | `message` with `is_deleted` | Message | `Message`, `Revoke`; expects no answer |
//! | `message` with `is_unsupported`, or nothing that is known | Message | `Message`, `Unsupported`; expects no answer |
//! | `message` with `is_echo` and our own mark in `metadata` | Echo | `Status`, `sent`, with the tag |
//! | `message` with `is_echo`, any other | Echo | `Echo`: a person or another app wrote |
//! | `postback` | Message | `Message`, `Interactive` (`Postback`) |
//! | `message_edit` | Message | `Message`, `Edit`; expects no answer |
//! | `reaction` | Message | `Message`, `Reaction`; expects no answer |
//! | `referral`, `optin`, `account_linking` | Message | `Message`, `System`; expects no answer |
//! | `delivery`, `read` | Status | `Receipt` |
//! | `pass_thread_control`, `take_thread_control`, `request_thread_control` | Event | `Handover` |
//! | `policy-enforcement`, `app_roles` | Event | `Account` |
//! | any other key | Event | `Other`, kind is the key |
//! | `optin` of nobody in particular | Event | `Other`, kind `optin` |
//! | `changes[]`: posts of the page, the dashboard's test button | Event | `Other`, kind `changes:<field>` |
//! | another `object` | Event | `Other`, kind `object:<name>` |
//! | what is no object where one must be | Unreadable | fails as [`Unreadable`] |
//!
//! Whatever stands in `standby[]` is kept and not answered: another app has the conversation. Events
//! without an id of their own get one made of their parts, the same at each redelivery.

mod connection;
mod content;
mod decode;
mod error;
mod message;
mod plan;
mod settings;
mod split;

use domain::{ChannelKind, Content, ContentBody, Inbound, NormalizedContent};
use secrecy::SecretString;
use serde_json::Value;

pub use message::INBOX_APP_ID;
pub use settings::{MessengerConfig, MessengerSecrets, SUBSCRIBED_FIELDS};

use crate::claims::claimed_ids;
use crate::meta::{SIGNATURE_HEADER, verify_post, verify_subscription};
use crate::settings::stored;
use crate::window::people_outside;
use crate::{
    BrokenSettings, Capabilities, Channel, ClaimError, Connection, Delivery, Handshake,
    HandshakeError, Keys, Markup, Permit, Platform, Post, REPLY_WINDOW, RawItem, Schema,
    SignatureError, Situation, Unreadable, Unsupported, Verified,
};

/// The longest text of a message. Meta takes less than 2000 characters; some room is left.
///
/// Source: <https://developers.facebook.com/docs/messenger-platform/reference/send-api>, 2026-05.
pub const MAX_TEXT_UNITS: usize = 1950;

const CAPABILITIES: Capabilities = Capabilities {
    max_text_units: Some(MAX_TEXT_UNITS),
    markup: Markup::Plain,
    reply_window: Some(REPLY_WINDOW),
    has_statuses: true,
    has_idempotent_sends: false,
    has_choices: true,
    has_media: true,
    has_uploads: true,
    has_templates: false,
    has_typing: true,
    has_echoes: true,
    has_handshake: true,
    delivery: Delivery::Request,
    signature_header: Some(SIGNATURE_HEADER),
};

/// The channel of kind [`ChannelKind::Messenger`].
#[derive(Clone, Copy, Debug)]
pub struct Messenger;

impl Channel for Messenger {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Messenger
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
        claimed_ids(body, &["entry", "id"])
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

    /// Messages, taps, reactions and links into the conversation do.
    ///
    /// Source: <https://developers.facebook.com/docs/messenger-platform/send-messages>, 2026-05.
    fn opens_window(&self, content: &NormalizedContent) -> bool {
        match &content.body {
            ContentBody::System(notice) => notice.change == "referral",
            ContentBody::Reaction { emoji, .. } => emoji.is_some(),
            ContentBody::Revoke { .. } | ContentBody::Edit { .. } => false,
            ContentBody::Text { .. }
            | ContentBody::Media(_)
            | ContentBody::Location(_)
            | ContentBody::Contacts { .. }
            | ContentBody::Interactive { .. }
            | ContentBody::Order(_)
            | ContentBody::Parts { .. }
            | ContentBody::Unsupported { .. } => true,
        }
    }

    fn permit(&self, situation: &Situation<'_>) -> Permit {
        people_outside(situation)
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
        let page = connection::Page::new(
            stored("the configuration", Some(public))?,
            stored("the secrets", secrets)?,
            platform,
        );
        Ok(Some(Box::new(page)))
    }
}

/// Names of the fields of an item's payload; `split` writes them and `decode` reads them.
mod field {
    /// The post's `object`.
    pub(super) const OBJECT: &str = "object";
    /// The entry's `id`: the page.
    pub(super) const PAGE_ID: &str = "page_id";
    /// The entry's `time`, in milliseconds.
    pub(super) const TIME: &str = "time";
    /// One of `messaging[]` or `standby[]`.
    pub(super) const EVENT: &str = "event";
    /// Whether it is of `standby[]`.
    pub(super) const STANDBY: &str = "standby";
    /// One of `changes[]`.
    pub(super) const CHANGE: &str = "change";
    /// The whole of what is not looked into.
    pub(super) const VALUE: &str = "value";
    /// The whole of what is not in the channel's form.
    pub(super) const MALFORMED: &str = "malformed";
}

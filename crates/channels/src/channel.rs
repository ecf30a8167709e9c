use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{ChannelKind, Content, Inbound, NormalizedContent, Source};
use http::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;

use crate::claims::ClaimError;
use crate::format::{self, Citations};
use crate::settings::Schema;
use crate::window::{Permit, Situation};
use crate::{Connection, Keys, Platform};

/// The longest body that is taken apart, in bytes; Meta posts at most 3 MB.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// What the rest of the product needs to know of a channel; one implementation per [`ChannelKind`].
///
/// Everything here is pure. What comes in goes through [`Channel::verify`] on the raw body,
/// [`Channel::split_items`] and [`Channel::decode`]; what goes out through [`Channel::plan`],
/// [`Channel::permit`] and the channel's [`Connection`].
pub trait Channel: Send + Sync {
    /// The kind this is.
    fn kind(&self) -> ChannelKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What can be set, and how it is checked.
    fn schema(&self) -> Schema;

    /// Answers the request by which the channel's operator confirms our address: the text to send
    /// back verbatim, with status 200.
    ///
    /// # Errors
    /// [`HandshakeError`], to be answered with 403, or 404 where it is not offered.
    fn handshake(
        &self,
        query: Handshake<'_>,
        expected: &[&SecretString],
    ) -> Result<String, HandshakeError> {
        let _ = (query, expected);
        Err(HandshakeError::NotOffered)
    }

    /// Lists what a post says it is for, for choosing the secrets that may have signed it; nothing
    /// of it is true yet. Empty where posts name no channel and the address alone tells.
    ///
    /// # Errors
    /// [`ClaimError`] if the body cannot be read or names too much.
    fn claimed_channel_ids(&self, body: &[u8]) -> Result<Vec<String>, ClaimError> {
        let _ = body;
        Ok(Vec::new())
    }

    /// Reads from a channel's stored secrets what tells its posts from forged ones.
    ///
    /// # Errors
    /// [`BrokenSettings`] if they are not what [`crate::parse`] made of them.
    fn keys(&self, secrets: Option<&Value>) -> Result<Keys, BrokenSettings> {
        let _ = secrets;
        Ok(Keys::default())
    }

    /// Tells which of `secrets` signed a post, exactly as received. Several are given while one
    /// replaces another; none verifies nothing.
    ///
    /// # Errors
    /// Whatever keeps the body from being trusted; [`SignatureError::NotSigned`] for a channel that
    /// takes no posts from outside.
    fn verify(
        &self,
        secrets: &[&SecretString],
        post: &Post<'_>,
    ) -> Result<Verified, SignatureError>;

    /// Takes one post apart into items that can be stored and decoded one by one, in their order.
    ///
    /// Nothing is left out: what is not understood is an item of its own, and fails alone when it is
    /// decoded. The items can be stored as `jsonb`: they hold no NUL characters.
    ///
    /// # Errors
    /// [`Unreadable`] if the body as a whole is not what the channel posts, or is longer than
    /// [`MAX_BODY_BYTES`].
    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable>;

    /// Decodes the payload of one item; the same payload gives the same result.
    ///
    /// What is known to be a contact's message and not understood is
    /// [`domain::ContentBody::Unsupported`] with what came, and everything else [`Inbound::Other`].
    ///
    /// # Errors
    /// [`Unreadable`] if the item lacks what its kind must have.
    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable>;

    /// Whether a contact who sent this may be answered freely from then on, for
    /// [`Capabilities::reply_window`].
    fn opens_window(&self, content: &NormalizedContent) -> bool;

    /// Tells how a message may leave now: freely, with a mark, as a template, or not at all.
    fn permit(&self, situation: &Situation<'_>) -> Permit;

    /// Takes what is to be said apart into contents that fit one message each, in their order, and
    /// puts what the channel has no form for into one that it has. Texts stay Markdown.
    ///
    /// Each is encoded by itself, by [`Connection::encode`]. Never empty.
    ///
    /// # Errors
    /// [`Unsupported`] if the channel can carry it in no form.
    fn plan(&self, content: &Content) -> Result<Vec<Content>, Unsupported>;

    /// Puts Markdown into the channel's own markup.
    fn format(&self, markdown: &str) -> String {
        format::to_markup(self.capabilities().markup, markdown)
    }

    /// Adds to an answer what it rests on, in Markdown, before it is planned. Where contacts see
    /// the sources beside the answer, nothing is added.
    fn cite(&self, markdown: &str, sources: &[Source], citations: Citations) -> String {
        format::cite(markdown, sources, citations)
    }

    /// Reads a channel's stored settings; `None` where nothing is sent by request.
    ///
    /// # Errors
    /// [`BrokenSettings`] if they are not what [`crate::parse`] made of them.
    fn connect(
        &self,
        public: &Value,
        secrets: Option<&Value>,
        platform: &Platform,
    ) -> Result<Option<Box<dyn Connection>>, BrokenSettings>;
}

/// What a channel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, and no two decide each other"
)]
pub struct Capabilities {
    /// The longest text of one message, in UTF-16 units; `None` where there is no limit.
    pub max_text_units: Option<usize>,
    /// The markup that texts are sent in.
    pub markup: Markup,
    /// How long after a contact's last message it may be answered freely; `None`: for ever.
    pub reply_window: Option<Duration>,
    /// Whether the channel reports how far our messages have come.
    pub has_statuses: bool,
    /// Whether sending a message again does no harm, for the receiver drops what it has by its id.
    pub has_idempotent_sends: bool,
    /// Whether a question can have answers to tap.
    pub has_choices: bool,
    /// Whether a message can be a file.
    pub has_media: bool,
    /// Whether a file that is kept here has to be uploaded to the channel's operator first.
    pub has_uploads: bool,
    /// Whether there are templates for contacts who did not write lately.
    pub has_templates: bool,
    /// Whether contacts can be shown that an answer is being written.
    pub has_typing: bool,
    /// Whether posts tell what the business writes in other apps of the channel.
    pub has_echoes: bool,
    /// Whether the operator confirms our address by a request before it posts.
    pub has_handshake: bool,
    /// How an answer leaves.
    pub delivery: Delivery,
    /// The header that signs a post, in lower case; `None` where nothing is posted from outside.
    pub signature_header: Option<&'static str>,
}

/// What contacts see of Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// All of it: the text is sent as it is.
    Markdown,
    /// WhatsApp's own marks.
    Whatsapp,
    /// Nothing: marks would be seen as characters.
    Plain,
}

/// How an answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By an HTTP request to the channel's operator.
    Request,
    /// By telling the contact's open connections; the stored message is the delivery.
    LivePush,
}

/// A post as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, exactly as received.
    pub body: &'a [u8],
    /// When it came.
    pub received_at: DateTime<Utc>,
}

impl Post<'_> {
    /// The value of a header, which need not be text; `None` if it is not there.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(http::HeaderValue::as_bytes)
    }
}

/// What signed a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which of the given secrets, from 0.
    pub nth: usize,
    /// Which form of the body.
    pub matched: Matched,
}

/// Which form of the body a signature was made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// The bytes as received.
    AsReceived,
    /// The body with every non-ASCII character as a lowercase `\uXXXX` escape, which Meta documents
    /// as the form it signs; it differs from the received bytes only where a proxy rewrote them.
    Escaped,
}

/// The parameters of the request by which an operator confirms our address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake<'a> {
    /// `hub.mode`.
    pub mode: Option<&'a str>,
    /// `hub.verify_token`.
    pub token: Option<&'a str>,
    /// `hub.challenge`.
    pub challenge: Option<&'a str>,
}

/// Why a request to confirm our address is turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The channel's operator asks for no confirmation.
    #[error("this kind of channel is not confirmed by a request")]
    NotOffered,
    /// `hub.mode` is not `subscribe`, or a parameter is missing.
    #[error("this is not a subscription request")]
    NotSubscribe,
    /// `hub.verify_token` is none of ours.
    #[error("the verify token is not known")]
    UnknownToken,
}

/// One item of a post, with all that decoding it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct RawItem {
    /// The channel's own name of the number or page it concerns; `None` where the item names none.
    pub external_channel_id: Option<String>,
    /// The account at the operator that the number belongs to, where the item names one: an event
    /// without a number concerns every channel of the account.
    pub external_account_id: Option<String>,
    /// What it seems to be, from its place in the post alone.
    pub kind: RawKind,
    /// What [`Channel::decode`] takes.
    pub payload: Value,
}

/// What an item seems to be, from its place in the post alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawKind {
    /// Something a contact sent.
    Message,
    /// A report about one of our messages.
    Status,
    /// Something the business wrote in another app.
    Echo,
    /// An error report, an event of the account, or of another product.
    Event,
    /// Not in the form the channel posts.
    Unreadable,
}

/// Why a post or an item could not be read; the text is for operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    /// What is wrong with it, without anything a contact wrote.
    pub reason: String,
}

impl Unreadable {
    /// Says what is wrong.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// The channel cannot send a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{channel} cannot carry this: {reason}")]
pub struct Unsupported {
    /// The channel.
    pub channel: ChannelKind,
    /// Why not.
    pub reason: &'static str,
}

/// A channel's stored settings cannot be read; the text repeats none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel's settings are broken: {reason}")]
pub struct BrokenSettings {
    /// What is wrong.
    pub reason: String,
}

/// Why a post is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A signature header is not there.
    #[error("a signature header is missing")]
    Missing,
    /// A signature header is not in its form.
    #[error("a signature header is not in its form")]
    Malformed,
    /// The signature is of another body or another secret.
    #[error("the signature does not match the body")]
    Mismatch,
    /// The signature was made too long ago, or for a time to come.
    #[error("the signature's time is too far from ours")]
    TooOld,
    /// The channel takes no posts from outside, so none can be genuine.
    #[error("this kind of channel takes no signed posts")]
    NotSigned,
}

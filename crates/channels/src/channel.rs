use std::time::Duration;

use domain::{ChannelKind, Content, Inbound};
use secrecy::SecretString;
use serde_json::Value;

/// What the rest of the product needs to know of a channel; one implementation per [`ChannelKind`].
pub trait Channel: Send + Sync {
    /// The kind this is.
    fn kind(&self) -> ChannelKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Tells whether `body`, exactly as received, was signed with `secret`.
    ///
    /// `header` is the value of [`Capabilities::signature_header`], if it was there.
    ///
    /// # Errors
    /// Whatever keeps the body from being trusted; [`SignatureError::NotSigned`] for a channel that
    /// takes no posts from outside.
    fn verify(
        &self,
        secret: &SecretString,
        body: &[u8],
        header: Option<&[u8]>,
    ) -> Result<(), SignatureError>;

    /// Takes one post apart into items that can be stored and decoded one by one, in their order.
    ///
    /// Nothing is left out: what is not understood is an item of its own, and fails alone when it is
    /// decoded. The items can be stored as `jsonb`: they hold no NUL characters.
    ///
    /// # Errors
    /// [`Unreadable`] if the body as a whole is not what the channel posts.
    fn split_items(&self, body: &[u8]) -> Result<Vec<RawItem>, Unreadable>;

    /// Decodes the payload of one item; the same payload gives the same result.
    ///
    /// # Errors
    /// [`Unreadable`] if the item lacks what its kind must have.
    fn decode(&self, payload: &Value) -> Result<Inbound, Unreadable>;

    /// Puts `content` into the channel's own markup, as pieces that each fit one message, in order.
    ///
    /// # Errors
    /// [`Unsupported`] if the channel has no form for it.
    fn encode(&self, content: &Content) -> Result<Vec<String>, Unsupported>;
}

/// What a channel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The longest text of one message, in UTF-16 units; `None` where there is no limit.
    pub max_text_units: Option<usize>,
    /// How long after a contact's last message it may be answered freely; `None`: for ever.
    pub reply_window: Option<Duration>,
    /// Whether the channel reports how far our messages have come.
    pub has_statuses: bool,
    /// How an answer leaves.
    pub delivery: Delivery,
    /// The header that signs a post, in lower case; `None` where nothing is posted from outside.
    pub signature_header: Option<&'static str>,
}

/// How an answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By an HTTP request to the channel's operator.
    Request,
    /// By telling the contact's open connections; the stored message is the delivery.
    LivePush,
}

/// One item of a post, with all that decoding it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct RawItem {
    /// The channel's own name of the number it concerns; `None` where the item names none.
    pub external_channel_id: Option<String>,
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

/// The channel has no form for a content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{channel} cannot carry this content: {reason}")]
pub struct Unsupported {
    /// The channel.
    pub channel: ChannelKind,
    /// Why not.
    pub reason: &'static str,
}

/// Why a post is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature header is not there.
    #[error("the signature header is missing")]
    Missing,
    /// The header is not `sha256=` and 64 lowercase hexadecimal digits.
    #[error("the signature header is not in its form")]
    Malformed,
    /// The signature is of another body or another secret.
    #[error("the signature does not match the body")]
    Mismatch,
    /// The channel takes no posts from outside, so none can be genuine.
    #[error("this kind of channel takes no signed posts")]
    NotSigned,
}

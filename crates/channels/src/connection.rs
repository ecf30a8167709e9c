use std::fmt::Debug;

use chrono::{DateTime, Utc};
use domain::{Author, Content, Media, MediaKind};

pub use domain::ChannelHealth as Health;

use crate::limit::Limit;
use crate::media::{MediaError, MediaStep};
use crate::request::{HttpAnswer, HttpRequest};
use crate::send::{SendClass, SendError, Sent};
use crate::window::Permit;
use crate::{Graph, Unsupported};

/// What all channels of this installation share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Where Meta's Graph API is.
    pub graph: Graph,
    /// The id of the platform's own app at Meta, where it has one.
    pub app_id: Option<String>,
}

/// A channel with its settings: it describes requests and reads their answers, and makes none.
///
/// Made by [`crate::Channel::connect`]; `Debug` shows no secret. Whoever makes the requests uses
/// [`crate::perform`], or does the same by other means.
pub trait Connection: Debug + Send + Sync {
    /// Describes the request that sends one message. What does not fit one message was taken apart
    /// by [`crate::Channel::plan`] before.
    ///
    /// # Errors
    /// [`Unsupported`] if the content does not fit, or `outgoing.permit` does not allow it.
    fn encode(&self, outgoing: &Outgoing<'_>) -> Result<HttpRequest, Unsupported>;

    /// Reads the answer to a request of [`Connection::encode`]; `tag` is that of the message.
    ///
    /// # Errors
    /// [`SendError`], by what it asks of the caller.
    fn read_sent(&self, tag: &str, answer: &HttpAnswer) -> Result<Sent, SendError>;

    /// Sorts the code of a `failed` status, which may come long after the send was accepted; `None`
    /// for a code that is not known.
    fn class_of_code(&self, code: i64) -> Option<SendClass>;

    /// What the engine has to keep to when it sends this to `to`, as keys and rates.
    fn limits(&self, content: &Content, to: &str) -> Vec<Limit>;

    /// Describes the requests, in their order, that show a contact something without a message, or
    /// move the conversation between apps; none where the channel has no such thing, or its settings
    /// do not want it.
    fn act(&self, action: Action<'_>) -> Vec<HttpRequest>;

    /// Describes the first request towards the bytes of a file that a contact sent.
    ///
    /// # Errors
    /// [`MediaError`] if there is nothing to fetch, or it lies where it must not be fetched from.
    fn fetch(&self, media: &Media) -> Result<MediaStep, MediaError>;

    /// Reads the answer to [`MediaStep::Address`]: the next step is always [`MediaStep::Bytes`].
    ///
    /// # Errors
    /// [`MediaError`], by what it asks of the caller.
    fn read_address(&self, answer: &HttpAnswer) -> Result<MediaStep, MediaError>;

    /// Whether the channel takes such a file.
    ///
    /// # Errors
    /// [`MediaError`] if it does not.
    fn check_file(&self, file: &FileTraits<'_>) -> Result<(), MediaError>;

    /// Describes the request that uploads a file; `None` where nothing is uploaded, for the receiver
    /// fetches files itself.
    ///
    /// # Errors
    /// Those of [`Connection::check_file`].
    fn upload(&self, file: &Upload<'_>) -> Result<Option<HttpRequest>, MediaError>;

    /// Reads the answer to [`Connection::upload`]: the id for [`domain::MediaFile::Uploaded`].
    ///
    /// # Errors
    /// [`SendError`], by what it asks of the caller.
    fn read_uploaded(&self, answer: &HttpAnswer) -> Result<String, SendError>;

    /// The requests that show whether the channel works, for "test connection" and for a periodic
    /// look, made at `now`; they change nothing.
    fn checks(&self, now: DateTime<Utc>) -> Vec<Check>;

    /// Reads the answer to a check's request; `None` as `answer` stands for none at all.
    fn read_check(&self, kind: CheckKind, answer: Option<&HttpAnswer>) -> Finding;

    /// Describes the request that has the operator post to us again, after a check found
    /// [`Health::Unsubscribed`]; `None` where that cannot be asked for.
    fn subscribe(&self) -> Option<HttpRequest>;
}

/// One message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// What is sent: one of those that [`crate::Channel::plan`] gave.
    pub content: &'a Content,
    /// Whom it goes to: [`domain::ContactRef::address`].
    pub to: &'a str,
    /// Our own id of the message, in at most 200 ASCII characters: what its statuses and echoes
    /// bring back, and the same for every attempt.
    pub tag: &'a str,
    /// The channel's id of the message that this one answers, where it is shown so.
    pub reply_to: Option<&'a str>,
    /// Who wrote it.
    pub author: Author,
    /// What [`crate::Channel::permit`] said of it.
    pub permit: &'a Permit,
    /// When the request is made.
    pub now: DateTime<Utc>,
}

/// What a contact can be shown without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// That we have read a message.
    MarkRead {
        /// Who wrote it: [`domain::ContactRef::address`].
        to: &'a str,
        /// The channel's id of the message.
        message: &'a str,
    },
    /// That an answer is being written, and that we have read the message. It fades by itself.
    Typing {
        /// Who wrote the message.
        to: &'a str,
        /// The channel's id of the message that is being answered.
        message: &'a str,
    },
    /// That no answer is being written any more.
    TypingOff {
        /// Who saw it being written.
        to: &'a str,
    },
    /// That we have the conversation from here on, where another app had it.
    TakeThread {
        /// The contact.
        to: &'a str,
    },
    /// That the page's own inbox has the conversation from here on.
    PassThread {
        /// The contact.
        to: &'a str,
        /// What the inbox is told; up to 1000 characters.
        note: &'a str,
    },
}

/// What a channel judges a file by.
#[derive(Clone, Copy, Debug)]
pub struct FileTraits<'a> {
    /// What it will be shown as.
    pub media_kind: MediaKind,
    /// Its media type, for example `image/jpeg`.
    pub mime_type: &'a str,
    /// Its length.
    pub size_bytes: u64,
}

/// A file to be uploaded to a channel.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// What it will be shown as.
    pub media_kind: MediaKind,
    /// Its media type, for example `image/jpeg`.
    pub mime_type: &'a str,
    /// Its name.
    pub filename: &'a str,
    /// Its bytes.
    pub bytes: &'a bytes::Bytes,
}

impl<'a> Upload<'a> {
    /// What the channel judges it by.
    pub fn traits(&self) -> FileTraits<'a> {
        FileTraits {
            media_kind: self.media_kind,
            mime_type: self.mime_type,
            size_bytes: self.bytes.len() as u64,
        }
    }
}

/// A request that shows whether a channel works.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it shows.
    pub kind: CheckKind,
    /// The request.
    pub request: HttpRequest,
}

/// What a check shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Whether the credentials count, and are those of this number or page.
    Credentials,
    /// Whether the operator posts to us.
    Subscription,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How the channel is.
    pub health: Health,
    /// A sentence for people; holds no secret.
    pub note: String,
}

impl Finding {
    pub(crate) fn new(health: Health, note: impl Into<String>) -> Self {
        Self {
            health,
            note: note.into(),
        }
    }

    /// What an answer that is no success says about the channel.
    pub(crate) fn of_error(error: SendError) -> Self {
        let health = match error.class {
            // The operator knows no such number or page, or takes no such request.
            SendClass::Permanent => Health::Misconfigured,
            class => class.health().unwrap_or(Health::Unknown),
        };
        Self::new(health, error.message)
    }
}

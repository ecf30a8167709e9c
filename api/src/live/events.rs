//! What travels over Socket.IO, besides messages themselves.

use assistant::Error;
use domain::{AttachmentId, ConversationId, ConversationStatus, MessageId, MessageStatus};
use serde::{Deserialize, Serialize};

/// What a client shows when it connects.
#[derive(Debug, Deserialize)]
pub(super) struct Auth {
    pub(super) token: String,
    #[serde(flatten)]
    pub(super) from: From,
}

/// How far a client has read: in its CONNECT, and in `resume`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct From {
    #[serde(default)]
    pub(super) after: i64,
    pub(super) conversation_id: Option<ConversationId>,
}

/// `message` from a client.
#[derive(Debug, Deserialize)]
pub(super) struct Post {
    #[serde(default)]
    pub(super) text: String,
    pub(super) client_id: String,
    pub(super) attachment_id: Option<AttachmentId>,
}

/// `typing`, both ways.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Typing {
    pub(super) on: bool,
}

/// The acknowledgement of `message`.
#[derive(Debug, Serialize)]
pub(super) struct Ack {
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Refusal>,
}

/// Why something was not done.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<u64>,
}

/// `status` to a client.
#[derive(Debug, Serialize)]
pub(super) struct Moved {
    pub(super) message_id: MessageId,
    pub(super) seq: i64,
    pub(super) status: MessageStatus,
}

/// `answer.delta` to a client.
#[derive(Debug, Serialize)]
pub(super) struct AnswerDelta {
    pub(super) turn: i64,
    pub(super) attempt: u32,
    pub(super) offset: u64,
    pub(super) text: String,
}

/// `answer.reset` to a client.
#[derive(Debug, Serialize)]
pub(super) struct AnswerReset {
    pub(super) turn: i64,
    pub(super) attempt: u32,
}

/// `conversation` to a client.
#[derive(Debug, Serialize)]
pub(super) struct Conversation {
    pub(super) conversation_id: ConversationId,
    pub(super) status: ConversationStatus,
}

impl Refusal {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// Puts an error into words for a visitor; what happened inside is logged and not told.
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::Unauthenticated | Error::IdentityRequired | Error::IdentityNotVerified => {
                Self::new("unauthorized", "The token does not work.")
            }
            Error::OriginNotAllowed => {
                Self::new("origin_not_allowed", "This page may not use the chat.")
            }
            Error::NotFound => Self::new("not_found", "There is no such chat."),
            Error::Refused(why) => Self::new("invalid_request", why),
            Error::RateLimited { retry_after } => Self {
                retry_after: Some(retry_after.as_secs().max(1)),
                ..Self::new("rate_limited", "Too many at once; try again later.")
            },
            Error::Db(_) | Error::Broken { .. } => {
                tracing::warn!(error = %error, "a web chat could not be served");
                Self::new("unavailable", "The service cannot answer right now.")
            }
        }
    }
}

/// The text of a refused connection: its code.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)
    }
}

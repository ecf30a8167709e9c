//! What travels over Socket.IO, besides messages themselves.

use assistant::Error;
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a client shows when it connects.
#[derive(Debug, Deserialize, Object)]
pub(super) struct Auth {
    /// The session's token.
    pub(super) token: String,
    /// The `seq` of the last message it has; 0 if missing.
    #[serde(default)]
    #[oai(default)]
    pub(super) after: i64,
    /// The conversation that `after` counts in.
    pub(super) conversation_id: Option<Uuid>,
}

/// How far a client has read.
#[derive(Debug, Default, Deserialize, Object)]
#[oai(rename = "Resume")]
pub(super) struct From {
    /// The `seq` of the last message it has; 0 if missing.
    #[serde(default)]
    #[oai(default)]
    pub(super) after: i64,
    /// The conversation that `after` counts in.
    pub(super) conversation_id: Option<Uuid>,
}

/// What a visitor writes.
#[derive(Debug, Deserialize, Object)]
#[oai(rename = "NewMessage")]
pub(super) struct Post {
    /// The words, 1 to 4000 characters; may be left out beside a file.
    #[serde(default)]
    #[oai(default)]
    pub(super) text: String,
    /// The client's own id of the message, 1 to 100 characters: sent again, it is the same message.
    pub(super) client_id: String,
    /// The file that goes with it, uploaded before.
    pub(super) attachment_id: Option<Uuid>,
}

/// The visitor began or stopped writing; passed on at most once a second.
#[derive(Debug, Deserialize, Object)]
#[oai(rename = "VisitorTyping")]
pub(super) struct VisitorTyping {
    /// Whether they write.
    pub(super) on: bool,
}

/// Somebody on the tenant's side began or stopped writing. It is over after ten seconds without
/// another one, and with the next message of theirs.
#[derive(Debug, Serialize, Object)]
pub(super) struct Typing {
    /// Who: `agent` or `assistant`.
    pub(super) author: String,
    /// Whether they write.
    pub(super) on: bool,
}

/// How a message was taken.
#[derive(Debug, Serialize, Object)]
pub(super) struct Ack {
    /// Whether it cannot be lost any more.
    pub(super) ok: bool,
    /// The client's own id of the message, where one could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Refusal>,
}

/// Why something was not done.
#[derive(Debug, Serialize, Object)]
pub(super) struct Refusal {
    /// Why, for programs: `invalid_request`, `rate_limited`, `unavailable`, …
    pub(super) code: String,
    /// Why, for people.
    pub(super) detail: String,
    /// After how many seconds it may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<u64>,
}

/// A message came further, or failed.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Status")]
pub(super) struct Moved {
    /// The message.
    pub(super) message_id: Uuid,
    /// Its position.
    pub(super) seq: i64,
    /// How far it came: `queued`, `sending`, `sent`, `failed` or `unknown`.
    pub(super) status: String,
}

/// A piece of an answer that is being written; pieces may be lost.
#[derive(Debug, Serialize, Object)]
pub(super) struct AnswerDelta {
    /// The turn that is answered; the whole answer is the `message` of the same turn.
    pub(super) turn: i64,
    /// Which attempt at it: drop what a lower one wrote.
    pub(super) attempt: u32,
    /// The length of what stands before the piece, as JavaScript's `length` counts: append a piece
    /// only where it fits.
    pub(super) offset: u64,
    /// The piece; empty at offset 0 where an attempt begins.
    pub(super) text: String,
}

/// The visitor is in this conversation, or it stands elsewhere, or an agent opened or closed it.
#[derive(Debug, Serialize, Object)]
#[expect(
    clippy::struct_field_names,
    reason = "the fields are named as in the lists of the API"
)]
pub(super) struct Conversation {
    /// The conversation; with another one, `seq` begins anew.
    pub(super) conversation_id: Uuid,
    /// Where it stands: `open`, `waiting`, `assigned_human`, `resolved` or `closed`.
    pub(super) status: String,
    /// Whether an agent has it open.
    pub(super) agent_online: bool,
}

impl Refusal {
    pub(super) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
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
            Error::Conflict { code, detail } => Self::new(code, detail),
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
        f.write_str(&self.code)
    }
}

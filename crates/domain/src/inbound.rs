use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{MessageStatus, NormalizedContent};

/// One thing a channel told us, decoded from one raw item.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// A contact sent something.
    Message(InboundMessage),
    /// One of our messages came further, or failed.
    Status(StatusUpdate),
    /// The business itself wrote to a contact in another app of the channel. The message's contact
    /// is the one it went to; it is kept, silences the assistant, and is never answered.
    Echo(InboundMessage),
    /// Understood, and nothing that concerns a conversation.
    Other {
        /// What it was, in the channel's words: `value_error`, `user_preferences`, `object:page`, …
        kind: String,
        /// A sentence for operators, where the channel said more.
        note: Option<String>,
    },
}

/// Something a contact sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The channel's id of the message: the same at each redelivery, at most 512 bytes.
    pub external_id: String,
    /// Who sent it.
    pub contact: ContactRef,
    /// When it was sent, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
    /// What was sent.
    pub content: NormalizedContent,
    /// What a model reads of it.
    pub text: String,
}

/// A person as one channel names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRef {
    /// The channel's lasting name of the person, at most 256 bytes: the contact's key. WhatsApp:
    /// the business-scoped user id, or the phone number where there is none.
    pub external_id: String,
    /// Where to send to. WhatsApp: the phone number, or the user id where there is none.
    pub address: String,
    /// What the person calls themselves.
    pub display_name: Option<String>,
}

/// A channel's report about one of our messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusUpdate {
    /// The channel's id of our message.
    pub external_id: String,
    /// How far it has come: `sent`, `delivered`, `read` or `failed`.
    pub status: MessageStatus,
    /// When it came that far, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
    /// Why it failed, in the channel's words.
    pub error: Option<String>,
    /// Why it failed, as the channel's number.
    pub error_code: Option<i64>,
    /// What we gave the message to carry when we sent it.
    pub tag: Option<String>,
    /// Whom it went to, in the channel's words.
    pub recipient: Option<String>,
}

impl InboundMessage {
    /// The channel's id of the message this one answers.
    pub fn reply_to(&self) -> Option<&str> {
        self.content.context.reply_to.as_deref()
    }
}

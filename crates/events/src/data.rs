//! What is told of events, one shape for each sort of thing.

use chrono::{DateTime, Utc};
use domain::{
    AssignReason, Author, CallPurpose, ChannelHealth, ChannelId, ChannelKind, ContactId,
    ConversationId, ConversationStatus, Direction, DocumentId, DocumentSource, Health, MessageId,
    MessageStatus, Source, UnansweredReason, WhenSpent,
};
use serde::Serialize;
use store::conversations::Conversation;
use store::documents::Document;
use store::messages::Message;

/// A month's budget as events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetData {
    /// The month (UTC), for example `2026-11`.
    pub month: String,
    /// What was spent by then, in micro-dollars, as far as the cost of calls is known.
    pub spent_microdollars: i64,
    /// What the month may cost, in micro-dollars.
    pub monthly_microdollars: i64,
    /// The share that is warned of, in percent.
    pub warn_percent: u8,
    /// What happens to answers once all is spent.
    pub when_spent: WhenSpent,
    /// When it was noticed.
    pub occurred_at: DateTime<Utc>,
}

/// A message as events tell it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MessageData {
    /// Its id.
    pub message_id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// The channel it came or goes by.
    pub channel_id: ChannelId,
    /// Position in the conversation, from 1.
    pub seq: i64,
    /// Which way it goes.
    pub direction: Direction,
    /// Who wrote it.
    pub author: Author,
    /// What it says.
    pub text: String,
    /// How far it had come when the event happened.
    pub status: MessageStatus,
    /// What an answer rests on; empty for all other messages.
    pub sources: Vec<Source>,
    /// Why it failed.
    pub error: Option<String>,
    /// Why it failed, as the channel's operator numbers it.
    pub error_code: Option<i64>,
    /// Why the machine does not answer what the contact wrote; `null` where it does, or needs not.
    pub unanswered_reason: Option<UnansweredReason>,
    /// When it happened, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
}

impl MessageData {
    /// A stored message, with what integrators may see of it.
    pub fn of(message: &Message) -> Self {
        Self {
            message_id: message.id,
            conversation_id: message.conversation_id,
            channel_id: message.channel_id,
            seq: message.seq,
            direction: message.direction,
            author: message.author,
            text: message.text.clone(),
            status: message.status,
            sources: message.sources.clone(),
            error: message.error.clone(),
            error_code: message.error_code,
            unanswered_reason: message.unanswered_reason,
            occurred_at: message.occurred_at,
        }
    }
}

/// A document as events tell it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentData {
    /// Its id.
    pub document_id: DocumentId,
    /// Its name.
    pub name: String,
    /// Where its content comes from.
    pub source: DocumentSource,
    /// The version that the event is about.
    pub version: i32,
    /// The version that answers draw on; `null`: none.
    pub live_version: Option<i32>,
    /// Passages of the live version.
    pub chunk_count: i32,
    /// Its pages, where it has any.
    pub page_count: Option<i32>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

impl DocumentData {
    /// A document as it stands after what happened to its newest version.
    pub fn of(document: &Document, occurred_at: DateTime<Utc>) -> Self {
        Self {
            document_id: document.id,
            name: document.name.clone(),
            source: document.source,
            version: document.latest_version,
            live_version: document.live_version,
            chunk_count: document.chunk_count,
            page_count: document.page_count,
            error: document.error.clone(),
            occurred_at,
        }
    }
}

/// A conversation as events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConversationData {
    /// Its id.
    pub conversation_id: ConversationId,
    /// The channel it is held on.
    pub channel_id: ChannelId,
    /// With whom.
    pub contact_id: ContactId,
    /// Where it stands after the event.
    pub status: ConversationStatus,
    /// Why it went to a person, or is to go.
    pub reason: Option<AssignReason>,
    /// Who has it, in the tenant's own words.
    pub assigned_to: Option<String>,
    /// What the model says of it when it asks for a person.
    pub note: Option<String>,
    /// Whether it happened within business hours.
    pub within_hours: bool,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

impl ConversationData {
    /// A conversation as it stands, without a note.
    pub fn of(conversation: &Conversation, within_hours: bool, occurred_at: DateTime<Utc>) -> Self {
        Self {
            conversation_id: conversation.id,
            channel_id: conversation.channel_id,
            contact_id: conversation.contact_id,
            status: conversation.status,
            reason: conversation.assign_reason,
            assigned_to: conversation.assigned_to.clone(),
            note: None,
            within_hours,
            occurred_at,
        }
    }
}

/// The answer to a turn as events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerData {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The channel it is held on.
    pub channel_id: ChannelId,
    /// The number of the turn that is answered, from 1.
    pub turn: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// A contact as events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactData {
    /// Its id.
    pub contact_id: ContactId,
    /// The channel that knows the person so.
    pub channel_id: ChannelId,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// A channel as events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelData {
    /// Its id.
    pub channel_id: ChannelId,
    /// Its name.
    pub name: String,
    /// What it is made of.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// How it is.
    pub health: ChannelHealth,
    /// How it was.
    pub previous: ChannelHealth,
    /// A sentence for people.
    pub note: String,
    /// When it was found so.
    pub occurred_at: DateTime<Utc>,
}

/// An account at a provider of models as events tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderData {
    /// The provider, or `<provider>@<host>` at an address of the tenant's own.
    pub account: String,
    /// What it is called for: `answer` or `embedding`.
    pub purpose: CallPurpose,
    /// How it does: `down`, or `healthy` again.
    pub health: Health,
    /// What went wrong last, while it is dead.
    pub error: Option<String>,
    /// When it was found so.
    pub occurred_at: DateTime<Utc>,
}

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{
    Author, ChannelHealth, ChannelId, ChannelKind, ConversationId, Direction, DocumentId,
    DocumentSource, MessageId, MessageStatus, Source, UnknownName, WhenSpent,
};
use serde::Serialize;
use serde_json::Value;
use store::documents::Document;
use store::messages::Message;

/// What kind of thing happened: the names that endpoints subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A contact's message was stored.
    MessageReceived,
    /// A channel took an outbound message.
    MessageSent,
    /// An outbound message failed.
    MessageFailed,
    /// A version of a document can be searched.
    DocumentReady,
    /// A version of a document could not be made.
    DocumentFailed,
    /// A month's budget is almost spent.
    BudgetWarning,
    /// A month's budget is spent.
    BudgetExhausted,
    /// A channel is found to be otherwise than before.
    ChannelHealthChanged,
}

impl EventType {
    /// Every type, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::MessageReceived,
        Self::MessageSent,
        Self::MessageFailed,
        Self::DocumentReady,
        Self::DocumentFailed,
        Self::BudgetWarning,
        Self::BudgetExhausted,
        Self::ChannelHealthChanged,
    ];

    /// The name on the wire: dotted, never changed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageReceived => "message.received",
            Self::MessageSent => "message.sent",
            Self::MessageFailed => "message.failed",
            Self::DocumentReady => "document.ready",
            Self::DocumentFailed => "document.failed",
            Self::BudgetWarning => "budget.warning",
            Self::BudgetExhausted => "budget.exhausted",
            Self::ChannelHealthChanged => "channel.health_changed",
        }
    }

    /// One sentence for people who choose what to subscribe to.
    pub const fn description(self) -> &'static str {
        match self {
            Self::MessageReceived => "A contact wrote, and the message is stored.",
            Self::MessageSent => "The channel took a message of the assistant's or an agent's.",
            Self::MessageFailed => {
                "A message of the assistant's or an agent's did not reach the contact."
            }
            Self::DocumentReady => "Answers draw on a version of a document from now on.",
            Self::DocumentFailed => {
                "A version of a document could not be fetched, read or indexed."
            }
            Self::BudgetWarning => {
                "The share of the month's budget that is warned of is spent; once a month."
            }
            Self::BudgetExhausted => "The month's budget is spent; once a month.",
            Self::ChannelHealthChanged => {
                "A channel began or ceased to work: its credentials, its operator, its set-up."
            }
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| UnknownName {
                what: "event type",
                name: name.to_owned(),
            })
    }
}

/// Something that happened to a tenant.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A contact's message was stored.
    MessageReceived(MessageData),
    /// A channel took an outbound message.
    MessageSent(MessageData),
    /// An outbound message failed.
    MessageFailed(MessageData),
    /// A version of a document can be searched.
    DocumentReady(DocumentData),
    /// A version of a document could not be made.
    DocumentFailed(DocumentData),
    /// A month's budget is almost spent.
    BudgetWarning(BudgetData),
    /// A month's budget is spent.
    BudgetExhausted(BudgetData),
    /// A channel is found to be otherwise than before.
    ChannelHealthChanged(ChannelData),
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

/// What is told of an event, whatever it is about.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Message(&'a MessageData),
    Document(&'a DocumentData),
    Budget(&'a BudgetData),
    Channel(&'a ChannelData),
}

/// The payload of a webhook, as Standard Webhooks 1.0.0 shapes it.
#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    timestamp: DateTime<Utc>,
    data: Data<'a>,
}

impl Event {
    /// Its type.
    pub const fn kind(&self) -> EventType {
        match self {
            Self::MessageReceived(_) => EventType::MessageReceived,
            Self::MessageSent(_) => EventType::MessageSent,
            Self::MessageFailed(_) => EventType::MessageFailed,
            Self::DocumentReady(_) => EventType::DocumentReady,
            Self::DocumentFailed(_) => EventType::DocumentFailed,
            Self::BudgetWarning(_) => EventType::BudgetWarning,
            Self::BudgetExhausted(_) => EventType::BudgetExhausted,
            Self::ChannelHealthChanged(_) => EventType::ChannelHealthChanged,
        }
    }

    /// The name of its type on the wire, for example `message.received`.
    pub const fn event_type(&self) -> &'static str {
        self.kind().as_str()
    }

    /// What is told of it, as JSON.
    ///
    /// # Errors
    /// `Corrupt` if the data has no JSON form.
    pub fn data(&self) -> db::Result<Value> {
        serde_json::to_value(self.told()).map_err(|error| self.unwritable(&error))
    }

    /// The whole webhook payload: type, the time at which it was emitted, data.
    pub(crate) fn render(&self, timestamp: DateTime<Utc>) -> db::Result<String> {
        let payload = Payload {
            r#type: self.event_type(),
            timestamp,
            data: self.told(),
        };
        serde_json::to_string(&payload).map_err(|error| self.unwritable(&error))
    }

    const fn told(&self) -> Data<'_> {
        match self {
            Self::MessageReceived(data) | Self::MessageSent(data) | Self::MessageFailed(data) => {
                Data::Message(data)
            }
            Self::DocumentReady(data) | Self::DocumentFailed(data) => Data::Document(data),
            Self::BudgetWarning(data) | Self::BudgetExhausted(data) => Data::Budget(data),
            Self::ChannelHealthChanged(data) => Data::Channel(data),
        }
    }

    fn unwritable(&self, error: &serde_json::Error) -> db::Error {
        db::Error::corrupt(format!("data of a {} event: {error}", self.event_type()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_read_back_and_others_are_refused() {
        for known in EventType::ALL {
            assert_eq!(known.as_str().parse::<EventType>().unwrap(), known);
        }
        assert!("message.receive".parse::<EventType>().is_err());
    }

    #[test]
    fn the_guide_tells_of_every_event_type() {
        let guide = include_str!("../../../docs/webhooks.md");
        for known in EventType::ALL {
            let row = format!("| `{known}` | {} |", known.description());
            assert!(guide.contains(&row), "docs/webhooks.md lacks: {row}");
        }
    }
}

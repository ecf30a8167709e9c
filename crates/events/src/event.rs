use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::UnknownName;
use serde::Serialize;
use serde_json::Value;

use crate::{
    AnswerData, BudgetData, ChannelData, ContactData, ConversationData, DocumentData, MessageData,
    ProviderData,
};

/// What kind of thing happened: the names that endpoints subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A contact's message was stored.
    MessageReceived,
    /// A channel took an outbound message.
    MessageSent,
    /// An outbound message reached the contact's device.
    MessageDelivered,
    /// The contact saw an outbound message.
    MessageRead,
    /// An outbound message failed.
    MessageFailed,
    /// A conversation began.
    ConversationCreated,
    /// A conversation went to a person.
    ConversationAssigned,
    /// A conversation went back to the machine.
    ConversationReleased,
    /// A conversation is settled.
    ConversationResolved,
    /// A conversation is over.
    ConversationClosed,
    /// A conversation that was settled or over goes on.
    ConversationReopened,
    /// A person is asked for.
    HandoffRequested,
    /// An answer is being made.
    AnswerStarted,
    /// An answer was made.
    AnswerCompleted,
    /// A contact wants no more messages.
    ContactOptedOut,
    /// A contact wants messages again.
    ContactOptedIn,
    /// Everything kept about a contact was erased.
    ContactErased,
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
    /// An account at a provider of models is found dead, or alive again.
    ProviderHealthChanged,
}

impl EventType {
    /// Every type, in the order in which they are shown.
    pub const ALL: [Self; 23] = [
        Self::MessageReceived,
        Self::MessageSent,
        Self::MessageDelivered,
        Self::MessageRead,
        Self::MessageFailed,
        Self::ConversationCreated,
        Self::ConversationAssigned,
        Self::ConversationReleased,
        Self::ConversationResolved,
        Self::ConversationClosed,
        Self::ConversationReopened,
        Self::HandoffRequested,
        Self::AnswerStarted,
        Self::AnswerCompleted,
        Self::ContactOptedOut,
        Self::ContactOptedIn,
        Self::ContactErased,
        Self::DocumentReady,
        Self::DocumentFailed,
        Self::BudgetWarning,
        Self::BudgetExhausted,
        Self::ChannelHealthChanged,
        Self::ProviderHealthChanged,
    ];

    /// The name on the wire: dotted, never changed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageReceived => "message.received",
            Self::MessageSent => "message.sent",
            Self::MessageDelivered => "message.delivered",
            Self::MessageRead => "message.read",
            Self::MessageFailed => "message.failed",
            Self::ConversationCreated => "conversation.created",
            Self::ConversationAssigned => "conversation.assigned",
            Self::ConversationReleased => "conversation.released",
            Self::ConversationResolved => "conversation.resolved",
            Self::ConversationClosed => "conversation.closed",
            Self::ConversationReopened => "conversation.reopened",
            Self::HandoffRequested => "handoff.requested",
            Self::AnswerStarted => "answer.started",
            Self::AnswerCompleted => "answer.completed",
            Self::ContactOptedOut => "contact.opted_out",
            Self::ContactOptedIn => "contact.opted_in",
            Self::ContactErased => "contact.erased",
            Self::DocumentReady => "document.ready",
            Self::DocumentFailed => "document.failed",
            Self::BudgetWarning => "budget.warning",
            Self::BudgetExhausted => "budget.exhausted",
            Self::ChannelHealthChanged => "channel.health_changed",
            Self::ProviderHealthChanged => "provider.health_changed",
        }
    }

    /// One sentence for people who choose what to subscribe to.
    pub const fn description(self) -> &'static str {
        match self {
            Self::MessageReceived => "A contact wrote, and the message is stored.",
            Self::MessageSent => "The channel took a message of the assistant's or an agent's.",
            Self::MessageDelivered => "A message reached the contact's device.",
            Self::MessageRead => "The contact saw a message.",
            Self::MessageFailed => {
                "A message of the assistant's or an agent's did not reach the contact."
            }
            Self::ConversationCreated => "A conversation with a contact began.",
            Self::ConversationAssigned => "A conversation went to a person; the machine is silent.",
            Self::ConversationReleased => "A conversation went back to the machine.",
            Self::ConversationResolved => "A conversation is settled.",
            Self::ConversationClosed => "A conversation is over.",
            Self::ConversationReopened => "A person let a settled or closed conversation go on.",
            Self::HandoffRequested => {
                "The contact, the model or a rule asks for a person; outside business hours, too."
            }
            Self::AnswerStarted => "The machine begins to make the answer to a turn.",
            Self::AnswerCompleted => "The answer to a turn is stored and about to be sent.",
            Self::ContactOptedOut => "A contact wants no more messages.",
            Self::ContactOptedIn => "A contact wants messages again.",
            Self::ContactErased => "Everything that was kept about a contact is erased.",
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
            Self::ProviderHealthChanged => {
                "An account at a provider of models is found dead, or alive again."
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
    /// An outbound message reached the contact's device.
    MessageDelivered(MessageData),
    /// The contact saw an outbound message.
    MessageRead(MessageData),
    /// An outbound message failed.
    MessageFailed(MessageData),
    /// A conversation began.
    ConversationCreated(ConversationData),
    /// A conversation went to a person.
    ConversationAssigned(ConversationData),
    /// A conversation went back to the machine.
    ConversationReleased(ConversationData),
    /// A conversation is settled.
    ConversationResolved(ConversationData),
    /// A conversation is over.
    ConversationClosed(ConversationData),
    /// A conversation that was settled or over goes on.
    ConversationReopened(ConversationData),
    /// A person is asked for.
    HandoffRequested(ConversationData),
    /// An answer is being made.
    AnswerStarted(AnswerData),
    /// An answer was made.
    AnswerCompleted(AnswerData),
    /// A contact wants no more messages.
    ContactOptedOut(ContactData),
    /// A contact wants messages again.
    ContactOptedIn(ContactData),
    /// Everything kept about a contact was erased.
    ContactErased(ContactData),
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
    /// An account at a provider of models is found dead, or alive again.
    ProviderHealthChanged(ProviderData),
}

/// What is told of an event, whatever it is about.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Message(&'a MessageData),
    Conversation(&'a ConversationData),
    Answer(&'a AnswerData),
    Contact(&'a ContactData),
    Document(&'a DocumentData),
    Budget(&'a BudgetData),
    Channel(&'a ChannelData),
    Provider(&'a ProviderData),
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
            Self::MessageDelivered(_) => EventType::MessageDelivered,
            Self::MessageRead(_) => EventType::MessageRead,
            Self::MessageFailed(_) => EventType::MessageFailed,
            Self::ConversationCreated(_) => EventType::ConversationCreated,
            Self::ConversationAssigned(_) => EventType::ConversationAssigned,
            Self::ConversationReleased(_) => EventType::ConversationReleased,
            Self::ConversationResolved(_) => EventType::ConversationResolved,
            Self::ConversationClosed(_) => EventType::ConversationClosed,
            Self::ConversationReopened(_) => EventType::ConversationReopened,
            Self::HandoffRequested(_) => EventType::HandoffRequested,
            Self::AnswerStarted(_) => EventType::AnswerStarted,
            Self::AnswerCompleted(_) => EventType::AnswerCompleted,
            Self::ContactOptedOut(_) => EventType::ContactOptedOut,
            Self::ContactOptedIn(_) => EventType::ContactOptedIn,
            Self::ContactErased(_) => EventType::ContactErased,
            Self::DocumentReady(_) => EventType::DocumentReady,
            Self::DocumentFailed(_) => EventType::DocumentFailed,
            Self::BudgetWarning(_) => EventType::BudgetWarning,
            Self::BudgetExhausted(_) => EventType::BudgetExhausted,
            Self::ChannelHealthChanged(_) => EventType::ChannelHealthChanged,
            Self::ProviderHealthChanged(_) => EventType::ProviderHealthChanged,
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
            Self::MessageReceived(data)
            | Self::MessageSent(data)
            | Self::MessageDelivered(data)
            | Self::MessageRead(data)
            | Self::MessageFailed(data) => Data::Message(data),
            Self::ConversationCreated(data)
            | Self::ConversationAssigned(data)
            | Self::ConversationReleased(data)
            | Self::ConversationResolved(data)
            | Self::ConversationClosed(data)
            | Self::ConversationReopened(data)
            | Self::HandoffRequested(data) => Data::Conversation(data),
            Self::AnswerStarted(data) | Self::AnswerCompleted(data) => Data::Answer(data),
            Self::ContactOptedOut(data)
            | Self::ContactOptedIn(data)
            | Self::ContactErased(data) => Data::Contact(data),
            Self::DocumentReady(data) | Self::DocumentFailed(data) => Data::Document(data),
            Self::BudgetWarning(data) | Self::BudgetExhausted(data) => Data::Budget(data),
            Self::ChannelHealthChanged(data) => Data::Channel(data),
            Self::ProviderHealthChanged(data) => Data::Provider(data),
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
        let (_, list) = guide.split_once("| Type | When |").unwrap();
        let (list, _) = list.split_once("\n\n").unwrap();
        let listed = list.matches("\n| `").count();
        assert_eq!(
            listed,
            EventType::ALL.len(),
            "docs/webhooks.md lists others"
        );
    }
}

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
    /// A contact's device or eyes have got so far in the conversation.
    Receipt(Receipt),
    /// The business itself wrote to a contact in another app of the channel. The message's contact
    /// is the one it went to; it is kept, silences the assistant, and is never answered.
    Echo(InboundMessage),
    /// The conversation at the channel went from one app to another, or is to go.
    Handover(Handover),
    /// Something about the account, the number or the page itself.
    Account(AccountEvent),
    /// Understood, and nothing that concerns a conversation or the account.
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
    /// The channel's lasting name of the person, at most 512 bytes: the contact's key. WhatsApp:
    /// the business-scoped user id, or the phone number where there is none.
    pub external_id: String,
    /// Where to send to. WhatsApp: the phone number, or the user id where there is none. Where it
    /// differs from `external_id` the channel may have known the person by it alone before.
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
    /// What the channel's operator charges for it, where it says so.
    pub pricing: Option<Pricing>,
}

/// What a channel's operator charges for a message, in its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pricing {
    /// Whether it is charged, where the operator says so.
    pub billable: Option<bool>,
    /// The model of prices, for example `PMP`.
    pub model: Option<String>,
    /// The category, for example `service` or `marketing`.
    pub category: Option<String>,
    /// Why it is free or not, for example `regular` or `free_customer_service`.
    pub kind: Option<String>,
}

/// How far a contact has got in a conversation; it moves every message of ours up to there.
///
/// It has no id of its own: the same receipt may come again, and changes nothing then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The contact, as in [`ContactRef::external_id`].
    pub contact_external_id: String,
    /// `delivered` or `read`.
    pub status: MessageStatus,
    /// The channel's ids of messages it names; often none.
    pub external_ids: Vec<String>,
    /// Every message of ours sent until then has come so far; `None`: only those named.
    pub up_to: Option<DateTime<Utc>>,
    /// When it was reported, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
}

/// A conversation at the channel goes from one app to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The contact, as in [`ContactRef::external_id`].
    pub contact_external_id: String,
    /// What happened.
    pub change: HandoverChange,
    /// The app that has the conversation from here on, or asks for it; `None`: nobody.
    pub new_owner_app_id: Option<String>,
    /// The app that had it; `None`: nobody, or not told.
    pub previous_owner_app_id: Option<String>,
    /// What the apps tell each other.
    pub metadata: Option<String>,
    /// When, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
}

/// What happened to a conversation between two apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverChange {
    /// Another app gave it to us or to a third one.
    Passed,
    /// Another app took it from us.
    Taken,
    /// Another app asks us for it.
    Requested,
}

/// Something about the account, the number or the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountEvent {
    /// What it is about, in the channel's words: `account_update`, `policy-enforcement`, …
    pub kind: String,
    /// What happened, in the channel's words: `FLAGGED`, `DISABLED_UPDATE`, …
    pub event: Option<String>,
    /// The number it concerns, as people write it; `None`: the whole account or page.
    pub number: Option<String>,
    /// What it means for the channel.
    pub effect: AccountEffect,
    /// A sentence for operators, where the channel said more.
    pub note: Option<String>,
}

/// What an event of the account means for the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum AccountEffect {
    /// Nothing.
    None,
    /// What was restricted works again.
    Working,
    /// It works, and a person should look before it does not.
    Warned,
    /// Some or all sends will be refused for a while.
    Restricted,
    /// Nothing can be sent until a person has settled it with the operator.
    Disabled,
    /// How many contacts may be written to first in a day.
    Limit {
        /// The number; `None`: no limit.
        per_day: Option<i64>,
    },
    /// A template may be used from here on, or no longer.
    Template {
        /// Its name.
        name: String,
        /// Its language.
        language: Option<String>,
        /// Whether it may be used.
        usable: bool,
    },
    /// Contacts allowed or forbade messages of some sort.
    Consent {
        /// One for each contact and sort.
        consents: Vec<Consent>,
    },
}

/// A contact allows or forbids messages of some sort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The contact.
    pub contact: ContactRef,
    /// The sort, in the channel's words, for example `marketing_messages`.
    pub category: String,
    /// Whether they are allowed.
    pub allowed: bool,
}

impl InboundMessage {
    /// The channel's id of the message this one answers.
    pub fn reply_to(&self) -> Option<&str> {
        self.content.context.reply_to.as_deref()
    }
}

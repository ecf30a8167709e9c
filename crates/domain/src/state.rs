use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is none of the listed ones.
#[derive(Debug, thiserror::Error)]
#[error("unknown {what}: {name}")]
pub struct UnknownName {
    /// What was to be named, for example `message status`.
    pub what: &'static str,
    /// The name that is not known.
    pub name: String,
}

macro_rules! named {
    ($($(#[$doc:meta])* $what:literal $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the database and in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownName { what: $what, name: name.to_owned() }),
                }
            }
        }
    )*};
}

pub(crate) use named;

named! {
    /// What a channel is made of.
    "channel kind" ChannelKind {
        /// WhatsApp Business, Cloud API.
        Whatsapp = "whatsapp",
        /// The chat bubble on a web site.
        Webchat = "webchat",
        /// Facebook Messenger, for a page.
        Messenger = "messenger",
        /// Signed posts from and to a system of the tenant's.
        Http = "http",
    }
    /// How a channel is.
    "channel health" ChannelHealth {
        /// Nobody has looked yet, or there was no answer that says anything.
        Unknown = "unknown",
        /// It works.
        Working = "working",
        /// It works, and a person should look before it does not.
        Warned = "warned",
        /// Its credentials are dead or lack a permission: it must be connected anew.
        TokenDead = "token_dead",
        /// The operator has blocked or limited it.
        Restricted = "restricted",
        /// The operator does not post to us.
        Unsubscribed = "unsubscribed",
        /// Its set-up at the operator, or ours, is wrong.
        Misconfigured = "misconfigured",
    }
    /// Which way a message went.
    "direction" Direction {
        /// From the contact to us.
        Inbound = "inbound",
        /// From us to the contact.
        Outbound = "outbound",
    }
    /// A side of a conversation that people sit on.
    "party" Party {
        /// The tenant's people.
        Agent = "agent",
        /// The customer.
        Contact = "contact",
    }
    /// Who wrote a message.
    "author" Author {
        /// The customer.
        Contact = "contact",
        /// The machine.
        Assistant = "assistant",
        /// A person of the tenant's.
        Agent = "agent",
        /// The product itself, for example a fallback text.
        System = "system",
    }
    /// How far a message has come. Outbound ones go `queued`, `sending`, `sent`, `delivered`,
    /// `read`, and never back; `unknown` is a send whose end nobody saw.
    "message status" MessageStatus {
        /// Inbound, stored.
        Received = "received",
        /// Waits for its send.
        Queued = "queued",
        /// The intent to send is committed.
        Sending = "sending",
        /// The channel took it.
        Sent = "sent",
        /// It reached the contact's device.
        Delivered = "delivered",
        /// The contact saw it.
        Read = "read",
        /// It will not be sent.
        Failed = "failed",
        /// Perhaps sent: the process or the connection died in between.
        Unknown = "unknown",
    }
    /// Whether a file of a contact's message is here.
    "message file state" MessageFileState {
        /// It is still at the channel's operator.
        Waiting = "waiting",
        /// It is here.
        Stored = "stored",
        /// It cannot be had; `error` says why.
        Failed = "failed",
    }
    /// Where a conversation stands.
    "conversation status" ConversationStatus {
        /// The machine answers.
        Open = "open",
        /// Waits for the contact.
        Waiting = "waiting",
        /// A person answers, the machine is silent.
        AssignedHuman = "assigned_human",
        /// Settled; the next message opens it again.
        Resolved = "resolved",
        /// Over; the next message starts another one.
        Closed = "closed",
    }
    /// Why a conversation went to a person.
    "reason to assign" AssignReason {
        /// The contact asked for a person.
        Asked = "asked",
        /// The model gave it to a person.
        Model = "model",
        /// There was no answer in time.
        Unanswered = "unanswered",
        /// Nothing in the documents fits the question.
        Unknown = "unknown",
        /// A person took it.
        Taken = "taken",
        /// A person wrote to the contact in another app of the channel.
        Echo = "echo",
    }
    /// Why the machine does not answer a message that a contact waits for.
    "reason for silence" UnansweredReason {
        /// The contact wants no more messages.
        OptedOut = "opted_out",
        /// It was a stop word, or one that ends the silence, and was heeded.
        OptWord = "opt_word",
        /// It asked for a person, and was heeded.
        AskedForPerson = "asked_for_person",
        /// A person has the conversation.
        WithPerson = "with_person",
        /// It holds what the tenant blocks.
        Blocked = "blocked",
        /// It was old when it arrived.
        Late = "late",
        /// The tenant or the channel is switched off.
        SwitchedOff = "switched_off",
        /// The channel does not pass it on, or its type is not known here.
        Unsupported = "unsupported",
        /// It was written in a group.
        Group = "group",
        /// Another app or a person had the conversation at the channel.
        Standby = "standby",
        /// The conversation was resolved or closed before there was an answer.
        Ended = "ended",
        /// No answer could be made, or a person was to give it and nobody was there, and the tenant
        /// has nothing said then.
        NoAnswer = "no_answer",
    }
    /// Where a document stands.
    "document status" DocumentStatus {
        /// Waits for a worker.
        Queued = "queued",
        /// Being read and indexed.
        Processing = "processing",
        /// Its newest version can be searched.
        Ready = "ready",
        /// Could not be read; `error` says why.
        Failed = "failed",
    }
    /// Where a document's content comes from.
    "document source" DocumentSource {
        /// A file that was uploaded.
        File = "file",
        /// An address that is fetched.
        Url = "url",
        /// A text that was sent as such.
        Text = "text",
    }
    /// What is being done to make a version of a document, in this order.
    "document stage" DocumentStage {
        /// Its address is asked for it.
        Fetching = "fetching",
        /// Its file is turned into text.
        Reading = "reading",
        /// Its chunks get their vectors.
        Embedding = "embedding",
    }
    /// What became of one version of a document.
    "version state" VersionState {
        /// Waits for a worker.
        Queued = "queued",
        /// Being made.
        Processing = "processing",
        /// What searches see.
        Live = "live",
        /// Could not be made.
        Failed = "failed",
        /// Was live, until a newer one took its place.
        Replaced = "replaced",
        /// A newer one was asked for before it was whole.
        Superseded = "superseded",
    }
    /// How far an evaluation has come.
    "eval run status" EvalRunStatus {
        /// Waits for a worker.
        Queued = "queued",
        /// Its questions are being asked.
        Running = "running",
        /// Every question is graded.
        Done = "done",
        /// Given up; `error` says why.
        Failed = "failed",
    }
    /// What became of a raw item.
    "raw item outcome" RawOutcome {
        /// Not looked at yet.
        Pending = "pending",
        /// Became a message, a status or another change.
        Done = "done",
        /// Understood, and nothing to do.
        Ignored = "ignored",
        /// Of a number or page that no channel has.
        Unroutable = "unroutable",
        /// Not what the channel's format says.
        Unreadable = "unreadable",
        /// Its job died, or what it changes never came; `error` says which.
        Failed = "failed",
    }
}

impl MessageStatus {
    /// Whether a channel's report may move a message from `self` to `next`: only forward, and
    /// `failed` only over what was not delivered.
    pub fn may_become(self, next: Self) -> bool {
        const fn rank(status: MessageStatus) -> u8 {
            match status {
                MessageStatus::Queued => 1,
                MessageStatus::Sending | MessageStatus::Unknown => 2,
                MessageStatus::Sent => 3,
                MessageStatus::Delivered => 4,
                MessageStatus::Read => 5,
                MessageStatus::Received | MessageStatus::Failed => 6,
            }
        }
        match next {
            Self::Failed => rank(self) <= rank(Self::Sent),
            Self::Received | Self::Queued | Self::Sending | Self::Unknown => false,
            Self::Sent | Self::Delivered | Self::Read => rank(self) < rank(next),
        }
    }
}

impl ConversationStatus {
    /// Whether new messages belong to this conversation.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Waiting | Self::AssignedHuman)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_only_move_forward() {
        use MessageStatus::{Delivered, Failed, Queued, Read, Sending, Sent, Unknown};
        for (from, to, allowed) in [
            (Sending, Sent, true),
            (Unknown, Sent, true),
            (Sent, Delivered, true),
            (Sent, Read, true),
            (Delivered, Sent, false),
            (Read, Delivered, false),
            (Read, Failed, false),
            (Sent, Failed, true),
            (Failed, Sent, false),
            (Sent, Sent, false),
            (Sent, Queued, false),
        ] {
            assert_eq!(from.may_become(to), allowed, "{from} -> {to}");
        }
    }

    #[test]
    fn names_survive_the_database_and_json() {
        for status in MessageStatus::ALL {
            assert_eq!(status.as_str().parse::<MessageStatus>().unwrap(), *status);
            assert_eq!(
                serde_json::to_string(status).unwrap(),
                format!("\"{status}\"")
            );
        }
        assert!("sentt".parse::<MessageStatus>().is_err());
    }
}

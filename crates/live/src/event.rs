use domain::{Author, ConversationId, ConversationStatus, MessageId, MessageStatus, Party};
use serde::{Deserialize, Serialize};

/// Something in a conversation that connected clients want to see at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEvent {
    /// The conversation it happened in.
    pub conversation_id: ConversationId,
    /// What happened.
    #[serde(flatten)]
    pub body: LiveBody,
}

/// What happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveBody {
    /// A message of either direction was stored.
    Message {
        /// Its position; 1 begins the conversation.
        seq: i64,
    },
    /// A message came further, or failed.
    Status {
        /// The message.
        message_id: MessageId,
        /// Its position.
        seq: i64,
        /// How far it came.
        status: MessageStatus,
    },
    /// A piece of an answer that is being written.
    AnswerDelta {
        /// The turn that is answered.
        turn: i64,
        /// Which attempt at it: a higher one replaces what lower ones wrote.
        attempt: u32,
        /// How much of the attempt's text stands before the piece, in UTF-16 code units, which is
        /// what `length` counts in a browser. A gap means that a piece was lost.
        offset: u64,
        /// The piece; empty at offset 0 where an attempt begins whose predecessor does not hold.
        text: String,
    },
    /// Somebody began or stopped writing.
    Typing {
        /// Who.
        author: Author,
        /// Whether they write.
        on: bool,
    },
    /// Somebody opened the conversation, still has it open, or closed it.
    Presence {
        /// On which side.
        party: Party,
        /// Whether they are there.
        online: bool,
    },
    /// The conversation came to another status.
    Conversation {
        /// Where it stands.
        status: ConversationStatus,
    },
}

impl LiveBody {
    /// What was written of an answer so far does not hold: attempt number `attempt` begins.
    pub const fn begin_again(turn: i64, attempt: u32) -> Self {
        Self::AnswerDelta {
            turn,
            attempt,
            offset: 0,
            text: String::new(),
        }
    }
}

impl LiveEvent {
    /// An event of a conversation.
    pub const fn new(conversation_id: ConversationId, body: LiveBody) -> Self {
        Self {
            conversation_id,
            body,
        }
    }

    /// Whether the event begins a conversation.
    pub const fn is_beginning(&self) -> bool {
        matches!(self.body, LiveBody::Message { seq: 1 })
    }
}

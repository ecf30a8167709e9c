use domain::{Author, ConversationId, ConversationStatus, MessageId, MessageStatus};

use super::VisitorMessage;

/// How far a client has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The conversation; `None` takes `after` as it is.
    pub conversation_id: Option<ConversationId>,
    /// The `seq` of the last message it has; 0: none.
    pub after: i64,
}

/// What a visitor wants to see at once.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A message that comes after those seen.
    Message(VisitorMessage),
    /// A message seen before came further, or failed.
    Status {
        /// The message.
        message_id: MessageId,
        /// Its position.
        seq: i64,
        /// How far it came.
        status: MessageStatus,
    },
    /// A piece of an answer that is being written; pieces may be lost.
    AnswerDelta {
        /// The turn that is answered.
        turn: i64,
        /// Which attempt at it.
        attempt: u32,
        /// How much stands before the piece, in UTF-16 code units.
        offset: u64,
        /// The piece.
        text: String,
    },
    /// Somebody on the tenant's side began or stopped writing.
    Typing {
        /// Who: an agent or the assistant.
        author: Author,
        /// Whether they write.
        on: bool,
    },
    /// The visitor's conversation is another one, or stands elsewhere, or an agent opened or closed
    /// it.
    Conversation {
        /// The conversation.
        id: ConversationId,
        /// Where it stands.
        status: ConversationStatus,
        /// Whether an agent has it open.
        agent_online: bool,
    },
}

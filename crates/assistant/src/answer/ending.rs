use db::TenantTx;
use domain::{AssignReason, Author, Direction, RagMode, Source, UnansweredReason};
use events::{AnswerData, Event};
use jobs::Failure;
use llm::Builtin;
use store::conversations::{self, Conversation};

use super::rounds::Answered;
use super::turn::Turn;
use super::{moderation, prompt};
use crate::Assistant;
use crate::deliver::{NewMessage, queue_on};
use crate::people::{self, HandOff};

/// An answer as it was made.
pub(super) struct Made {
    /// What the model gave.
    pub(super) answered: Answered,
    /// The number of the attempt that open windows saw.
    pub(super) attempt: u32,
    /// How documents reached the model.
    pub(super) mode: RagMode,
}

/// How a turn ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// With an answer.
    Answer {
        /// Its text.
        text: String,
        /// What it rests on.
        sources: Vec<Source>,
    },
    /// With a person.
    Person {
        /// Why.
        reason: AssignReason,
        /// What the model says of it.
        note: Option<String>,
    },
    /// With the tenant's text, in place of an answer to what the tenant blocks or of one that it
    /// blocks.
    Blocked,
}

impl Ending {
    /// How a turn ends that this answer was made to.
    pub(super) async fn of(assistant: &Assistant, turn: &Turn, made: Made) -> Self {
        let Answered {
            text,
            passages,
            hand_off,
            has_searched,
        } = made.answered;
        if hand_off.is_some() {
            let reason = AssignReason::Model;
            return Self::Person {
                reason,
                note: hand_off,
            };
        }
        if moderation::is_blocked(assistant, turn, Direction::Outbound, &text).await {
            return Self::Blocked;
        }
        let sources = prompt::cited(&text, passages);
        // What rests on no passage is no answer from the documents, whether there were any or not.
        let is_unknown = match made.mode {
            RagMode::Off => false,
            RagMode::Context => sources.is_empty(),
            RagMode::Tool => has_searched && sources.is_empty(),
        };
        let handoff = &turn.profile.settings.handoff;
        if handoff.when_unknown && is_unknown && turn.asks_something() {
            return Self::Person {
                reason: AssignReason::Unknown,
                note: None,
            };
        }
        Self::Answer { text, sources }
    }

    /// Whether what open windows saw growing is what the contact gets.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }

    /// Settles the turn so, in the caller's transaction; returns what integrators are to be told.
    pub(super) async fn settle(
        &self,
        assistant: &Assistant,
        tx: &mut TenantTx,
        turn: &Turn,
        conversation: &Conversation,
    ) -> Result<Vec<Event>, Failure> {
        let number = conversation.turn_seq;
        match self {
            Self::Answer { text, sources } => {
                let answer = NewMessage {
                    author: Author::Assistant,
                    turn: Some(number),
                    text,
                    sources,
                };
                queue_on(assistant, tx, &turn.channel, conversation, &answer).await?;
                let data = AnswerData {
                    conversation_id: conversation.id,
                    channel_id: conversation.channel_id,
                    turn: number,
                    occurred_at: assistant.clock.now(),
                };
                Ok(vec![Event::AnswerCompleted(data)])
            }
            Self::Person { reason, note } => {
                let question = turn.question();
                let how = HandOff {
                    reason: *reason,
                    to: None,
                    note: note.as_deref(),
                    language: Builtin::language_of(&question),
                };
                let profile = &turn.profile;
                let happened = people::hand_off(assistant, tx, profile, conversation, &how).await;
                happened.map_err(Failure::retry)
            }
            Self::Blocked => {
                tracing::info!(conversation.id = %conversation.id, "an answer was blocked");
                let blocked = Some(UnansweredReason::Blocked);
                conversations::settle_turn(tx, conversation.id, blocked).await?;
                let text = &turn.profile.settings.moderation.text;
                people::say(assistant, tx, conversation, text, blocked).await?;
                Ok(Vec::new())
            }
        }
    }
}

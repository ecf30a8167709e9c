use domain::{Author, ConversationId};
use live::{DeltaCoalescer, LiveBody, LiveEvent};

use crate::Assistant;

/// What open windows see of an answer while it is being made.
#[derive(Debug)]
pub(crate) struct Shown {
    deltas: Option<DeltaCoalescer>,
    attempt: u32,
    /// Whether anything was shown of this attempt.
    has_text: bool,
}

impl Shown {
    /// Nobody watches.
    pub(crate) const fn to_nobody() -> Self {
        Self {
            deltas: None,
            attempt: 0,
            has_text: false,
        }
    }

    /// Windows of that conversation may watch attempt number `attempt`; they see at once that the
    /// assistant writes.
    pub(super) fn to_windows(
        assistant: &Assistant,
        conversation: ConversationId,
        turn: i64,
        attempt: u32,
    ) -> Self {
        let db = assistant.db.clone();
        let author = Author::Assistant;
        let body = LiveBody::Typing { author, on: true };
        live::publish_now(&db, &LiveEvent::new(conversation, body));
        Self {
            deltas: Some(DeltaCoalescer::new(db, conversation, turn, attempt)),
            attempt,
            has_text: false,
        }
    }

    /// Shows more of the answer.
    pub(super) fn push(&mut self, text: &str) {
        if let Some(deltas) = &self.deltas {
            deltas.push(text);
            self.has_text = true;
        }
    }

    /// What was shown was not the answer: it begins anew.
    pub(super) fn begin_again(&mut self) {
        if let (Some(deltas), true) = (&self.deltas, self.has_text) {
            self.attempt += 1;
            deltas.reset(self.attempt);
            self.has_text = false;
        }
    }

    /// Shows what is left, before the whole answer is published; returns the attempt's number.
    pub(super) fn finish(self) -> u32 {
        if let Some(deltas) = self.deltas {
            deltas.finish();
        }
        self.attempt
    }
}

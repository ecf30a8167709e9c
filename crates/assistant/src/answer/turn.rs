use chrono::{DateTime, Utc};
use domain::{CallPurpose, ChannelKind, ConversationId, ConversationStatus, RagMode, TenantId};
use events::{AnswerData, Event};
use jobs::Failure;
use live::{LiveBody, LiveEvent};
use store::channels::Channel;
use store::contacts::Contact;
use store::{conversations, messages};

use super::query;
use super::shown::Shown;
use crate::ingest::search::{self, Means, Passage, Query};
use crate::spending::{About, Calls};
use crate::{Assistant, TenantProfile, people};

/// What the answer to one turn is made from.
pub(super) struct Turn {
    pub(super) profile: TenantProfile,
    pub(super) tenant_id: TenantId,
    pub(super) conversation: conversations::Conversation,
    /// With whom.
    pub(super) contact: Contact,
    /// Where.
    pub(super) channel: Channel,
    /// What the contact wrote since the last answer, in order; never empty.
    pub(super) asked: Vec<messages::Message>,
    /// What was said before, in order.
    pub(super) history: Vec<messages::Message>,
    /// What its documents are searched with, where it is sure that they are before the model is asked.
    means: Option<Means>,
}

/// Whether the machine may speak in a conversation of that status.
pub(crate) const fn is_answered_by_machine(status: ConversationStatus) -> bool {
    matches!(
        status,
        ConversationStatus::Open | ConversationStatus::Waiting
    )
}

impl Turn {
    /// Loads the open turn; `None` if it has an answer, or a person has the conversation. At the
    /// first attempt integrators are told that an answer is being made.
    pub(super) async fn load(
        assistant: &Assistant,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        is_first: bool,
    ) -> Result<Option<Self>, Failure> {
        let mut tx = assistant.db.tenant(tenant_id).await?;
        let profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
        let party = conversations::get_with_contact(&mut tx, conversation_id).await;
        let (conversation, contact) = match party {
            // Erased, or older than what its tenant keeps.
            Err(db::Error::NotFound) => return Ok(None),
            found => found?,
        };
        let settled = conversation.answered_turn >= conversation.turn_seq;
        if settled || !profile.enabled || !is_answered_by_machine(conversation.status) {
            return Ok(None);
        }
        let channel = store::channels::get(&mut tx, conversation.channel_id).await?;
        let asked = messages::turn(
            &mut tx,
            conversation_id,
            conversation.answered_turn,
            conversation.turn_seq,
        )
        .await?;
        let Some(first) = asked.iter().map(|message| message.seq).min() else {
            return Ok(None);
        };
        let limit = profile.settings.history_messages;
        let history = messages::history(&mut tx, conversation_id, first, limit).await?;
        let means = match profile.settings.rag {
            RagMode::Context => Some(Means::load(assistant, &mut tx, &profile).await?),
            // A model that searches by itself reads them when it does.
            RagMode::Off | RagMode::Tool => None,
        };
        if is_first {
            let started = Event::AnswerStarted(AnswerData {
                conversation_id,
                channel_id: conversation.channel_id,
                turn: conversation.turn_seq,
                occurred_at: assistant.clock.now(),
            });
            people::tell(assistant, &mut tx, &[started]).await?;
            tx.commit().await?;
        }
        Ok(Some(Self {
            profile,
            tenant_id,
            conversation,
            contact,
            channel,
            asked,
            history,
            means,
        }))
    }

    /// Whether somebody may be watching the answer grow.
    fn shows_deltas(&self) -> bool {
        self.channel.kind == ChannelKind::Webchat
    }

    /// Who sees the answer grow, from attempt number `attempt` on.
    pub(super) fn shown(&self, assistant: &Assistant, attempt: u32) -> Shown {
        // What may have to be held back is not shown before it is whole.
        let is_watched = self.profile.settings.moderation.blocked.is_empty();
        if !self.shows_deltas() || !is_watched {
            return Shown::to_nobody();
        }
        let turn = self.conversation.turn_seq;
        Shown::to_windows(assistant, self.conversation.id, turn, attempt)
    }

    /// What its calls to models are made for.
    pub(super) fn about(&self) -> About {
        About {
            tenant: self.tenant_id,
            purpose: CallPurpose::Answer,
            conversation: Some(self.conversation.id),
            budget: self.profile.settings.budget,
        }
    }

    /// Takes back what open windows were shown of an answer that is dropped.
    pub(super) fn forget_deltas(&self, assistant: &Assistant, attempt: u32) {
        if self.shows_deltas() {
            let turn = self.conversation.turn_seq;
            let body = LiveBody::begin_again(turn, attempt);
            live::publish_now(&assistant.db, &LiveEvent::new(self.conversation.id, body));
        }
    }

    /// When the turn's newest message was stored.
    pub(super) fn stored_at(&self) -> DateTime<Utc> {
        let stored = self.asked.iter().map(|message| message.created_at);
        stored.max().unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// What the contact asks, as one text.
    pub(super) fn question(&self) -> String {
        let parts: Vec<&str> = self
            .asked
            .iter()
            .map(|message| message.text.as_str())
            .collect();
        parts.join("\n")
    }

    /// What to look up, so that it stands alone.
    fn query(&self) -> String {
        let before = self
            .history
            .iter()
            .rev()
            .find(|message| message.direction == domain::Direction::Inbound);
        query::stand_alone(&self.question(), before.map(|before| before.text.as_str()))
    }

    /// Whether it is more than a greeting or a word of thanks.
    pub(super) fn asks_something(&self) -> bool {
        query::asks_something(&self.question())
    }

    /// Finds the passages to answer from, best first; none where the model does without, or searches
    /// by itself.
    pub(super) async fn find_sources(
        &self,
        assistant: &Assistant,
        mode: RagMode,
        calls: &Calls,
    ) -> Result<Vec<Passage>, Failure> {
        if mode != RagMode::Context {
            return Ok(Vec::new());
        }
        let query = Query {
            text: &self.query(),
            settings: &self.profile.settings.retrieval,
            documents: None,
        };
        let found = match &self.means {
            Some(means) => search::find_by(assistant, self.tenant_id, means, &query, calls).await?,
            // The tenant's model was to search by itself, and the one that answers takes no tools.
            None => search::find_counted(assistant, self.tenant_id, &query, calls).await?,
        };
        Ok(found.into_passages())
    }
}

use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{
    CallPurpose, ChannelKind, ConversationId, ConversationStatus, RagMode, TenantId,
    UnansweredReason,
};
use events::{AnswerData, Event};
use jobs::kinds::AnswerTurn;
use jobs::{Failure, JobHandle};
use live::{LiveBody, LiveEvent};
use store::channels::Channel;
use store::contacts::Contact;
use store::conversations::{self, Conversation};
use store::messages;
use telemetry::trace::{Subject, note};

use super::query;
use super::shown::Shown;
use crate::ingest::search::{self, Means, Passage, Query};
use crate::spending::{About, Calls};
use crate::{Assistant, TenantProfile, people};

/// What the answer to one turn is made from.
pub(super) struct Turn {
    pub(super) profile: TenantProfile,
    pub(super) tenant_id: TenantId,
    pub(super) conversation: Conversation,
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
    /// Loads the open turn; `None` if it has an answer, or a person has the conversation, or the
    /// tenant or the channel is switched off, which settles it. At the first attempt integrators are
    /// told that an answer is being made.
    pub(super) async fn load(
        assistant: &Assistant,
        handle: &JobHandle,
        job: &AnswerTurn,
    ) -> Result<Option<Self>, Failure> {
        let (tenant_id, conversation_id) = (job.tenant_id, job.conversation_id);
        let mut tx = assistant.db.tenant(tenant_id).await?;
        let profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
        let party = conversations::get_with_contact(&mut tx, conversation_id).await;
        let (conversation, contact) = match party {
            // Erased, or older than what its tenant keeps.
            Err(db::Error::NotFound) => return Ok(None),
            found => found?,
        };
        let settled = conversation.answered_turn >= conversation.turn_seq;
        if settled || !is_answered_by_machine(conversation.status) {
            return Ok(None);
        }
        let channel = store::channels::get(&mut tx, conversation.channel_id).await?;
        if !profile.enabled || !channel.enabled {
            leave_unanswered(handle, tx, conversation_id).await?;
            return Ok(None);
        }
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
        // The newest stands for all of them.
        if let Some(newest) = asked.last() {
            note(Subject::Message, newest.id);
        }
        let limit = profile.settings.history_messages;
        let history = messages::history(&mut tx, conversation_id, first, limit).await?;
        let means = match profile.settings.rag {
            RagMode::Context => Some(Means::load(assistant, &mut tx, &profile).await?),
            // A model that searches by itself reads them when it does.
            RagMode::Off | RagMode::Tool => None,
        };
        if handle.job.attempt <= 1 {
            tell_started(assistant, tx, &conversation).await?;
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
        let is_watched = !self.profile.settings.moderation.may_block();
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

/// Tells integrators that an answer is being made.
async fn tell_started(
    assistant: &Assistant,
    mut tx: TenantTx,
    conversation: &Conversation,
) -> Result<(), Failure> {
    let started = Event::AnswerStarted(AnswerData {
        conversation_id: conversation.id,
        channel_id: conversation.channel_id,
        turn: conversation.turn_seq,
        occurred_at: assistant.clock.now(),
    });
    people::tell(assistant, &mut tx, &[started]).await?;
    Ok(tx.commit().await?)
}

/// Settles a turn that came in before its tenant or channel was switched off.
async fn leave_unanswered(
    handle: &JobHandle,
    mut tx: TenantTx,
    id: ConversationId,
) -> Result<(), Failure> {
    handle.fence(&mut tx).await?;
    conversations::lock(&mut tx, id).await?;
    let reason = Some(UnansweredReason::SwitchedOff);
    conversations::settle_turn(&mut tx, id, reason).await?;
    Ok(tx.commit().await?)
}

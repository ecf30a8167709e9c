use std::collections::BTreeMap;

use assistant::people;
use chrono::{DateTime, Utc};
use domain::{ConversationStatus, ConversationStep};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Enum, Object, OpenApi};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::conversations::{self, Conversation, Filter};
use uuid::Uuid;

use super::Tag;
use super::messages::holds_nul;
use crate::Problem;
use crate::answer::{Answer, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "ConversationStatus")]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The machine answers.
    Open,
    /// Waits for the contact.
    Waiting,
    /// A person answers, the machine is silent.
    AssignedHuman,
    /// Settled; the next message opens it again.
    Resolved,
    /// Over; the next message starts another one.
    Closed,
}

/// The exchange with one contact.
#[derive(Debug, Object)]
#[oai(rename = "Conversation")]
pub(super) struct ConversationView {
    /// Its id.
    id: Uuid,
    /// The channel it is held on.
    channel_id: Uuid,
    /// The contact.
    contact_id: Uuid,
    /// Where it stands.
    status: Status,
    /// The `seq` of its newest message.
    message_seq: i64,
    /// When the contact last wrote, by the channel's clock.
    last_inbound_at: Option<DateTime<Utc>>,
    /// When anybody last wrote.
    last_message_at: Option<DateTime<Utc>>,
    /// Since when a person has it; `null`: the machine does.
    assigned_at: Option<DateTime<Utc>>,
    /// Who has it, in the words of whoever assigned it.
    assigned_to: Option<String>,
    /// Why a person has it: `asked`, `model`, `unanswered`, `unknown`, `taken` or `echo`.
    assign_reason: Option<String>,
    /// When the machine answers again unless a person writes before.
    release_at: Option<DateTime<Utc>>,
    /// The `seq` up to which people have read.
    read_seq: i64,
    /// What you keep with it, for yourself: nothing here reads it, and neither the contact nor a
    /// model gets to see it.
    metadata: BTreeMap<String, Value>,
    /// When it began.
    created_at: DateTime<Utc>,
}

/// A change to a conversation; what is missing stays as it is.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateConversation {
    /// Where it is to stand: `assigned_human` silences the machine, `open` lets it answer again.
    status: Option<Status>,
    /// What you keep with it: an object of your own of at most 16 KiB as JSON, which takes the place
    /// of the one before as a whole; `{}` leaves nothing.
    metadata: Option<BTreeMap<String, Value>>,
}

/// How long the JSON of what is kept with a conversation may be, in bytes.
const MAX_METADATA_BYTES: usize = 16 * 1024;

pub(crate) struct ConversationRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Conversations")]
impl ConversationRoutes {
    /// List a tenant's conversations
    ///
    /// Newest first.
    #[oai(
        path = "/tenants/:tenant_id/conversations",
        method = "get",
        operation_id = "list_conversations"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each parameter of the list"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only those that stand so.
        status: Query<Option<Status>>,
        /// Only those of this channel.
        channel_id: Query<Option<Uuid>>,
        /// Only those with this contact.
        contact_id: Query<Option<Uuid>>,
        /// Only those whose contact's name, address or id at the channel holds this, in whatever
        /// case; 1 to 200 characters.
        text: Query<Option<String>>,
        /// Only those whose newest message is the contact's, or, with `false`, is not.
        unanswered: Query<Option<bool>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<ConversationView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut checks = Checks::default();
        let text = text.0.map(|text| checks.text("text", &text, 200));
        checks.finish()?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let filter = Filter {
            status: status.0.map(Into::into),
            channel: channel_id.0.map(Into::into),
            contact: contact_id.0.map(Into::into),
            text,
            unanswered: unanswered.0,
        };
        let found = conversations::list_matching(&mut tx, &filter, page.after, page.limit).await?;
        Ok(List::of(found, |conversation| view(&conversation)))
    }

    /// Get a conversation
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id",
        method = "get",
        operation_id = "get_conversation"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<ConversationView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let conversation = conversations::get(&mut tx, conversation_id.0.into()).await?;
        Ok(Answer(view(&conversation)))
    }

    /// Change a conversation
    ///
    /// Its status, by the step that leads there: assign, release, reopen, resolve or close; 409 if none
    /// does from where it stands. And what you keep with it. One of the two has to be there.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id",
        method = "put",
        operation_id = "update_conversation"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        body: JsonBody<UpdateConversation>,
    ) -> Result<Found<ConversationView>, Problem> {
        let UpdateConversation { status, metadata } = body.value;
        let metadata = metadata.map(Map::from_iter);
        check(status, metadata.as_ref())?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let id = conversation_id.0.into();
        let mut conversation = conversations::get(&mut tx, id).await?;
        if let Some(status) = status {
            let step = step_to(status, conversation.status);
            let assistant = &auth.0.state().assistant;
            conversation = people::step(assistant, &mut tx, id, step, None).await?;
        }
        if let Some(metadata) = metadata {
            conversation = conversations::set_metadata(&mut tx, id, &metadata).await?;
        }
        tx.commit().await?;
        Ok(Answer(view(&conversation)))
    }
}

fn check(status: Option<Status>, metadata: Option<&Map<String, Value>>) -> Result<(), Problem> {
    let mut checks = Checks::default();
    let is_change = status.is_some() || metadata.is_some();
    checks.require(is_change, "", "must have `status` or `metadata`");
    if let Some(metadata) = metadata {
        let metadata = Value::Object(metadata.clone());
        let is_short = metadata.to_string().len() <= MAX_METADATA_BYTES;
        checks.require(is_short, "metadata", "must have at most 16 KiB");
        let is_clean = !holds_nul(&metadata);
        checks.require(is_clean, "metadata", "must hold no NUL characters");
    }
    checks.finish()
}

/// The step that leads to a status from where a conversation stands.
const fn step_to(status: Status, from: ConversationStatus) -> ConversationStep {
    match (status, from) {
        (Status::Open, ConversationStatus::AssignedHuman) => ConversationStep::Release,
        (Status::Open, _) => ConversationStep::Reopen,
        (Status::Waiting, _) => ConversationStep::Await,
        (Status::AssignedHuman, _) => ConversationStep::GoToPerson,
        (Status::Resolved, _) => ConversationStep::Resolve,
        (Status::Closed, _) => ConversationStep::Close,
    }
}

pub(super) fn view(conversation: &Conversation) -> ConversationView {
    ConversationView {
        id: conversation.id.as_uuid(),
        channel_id: conversation.channel_id.as_uuid(),
        contact_id: conversation.contact_id.as_uuid(),
        status: conversation.status.into(),
        message_seq: conversation.message_seq,
        last_inbound_at: conversation.last_inbound_at,
        last_message_at: conversation.last_message_at,
        assigned_at: conversation.assigned_at,
        assigned_to: conversation.assigned_to.clone(),
        assign_reason: conversation.assign_reason.map(|reason| reason.to_string()),
        release_at: conversation.release_at,
        read_seq: conversation.read_seq,
        metadata: conversation.metadata.clone().into_iter().collect(),
        created_at: conversation.created_at,
    }
}

impl From<ConversationStatus> for Status {
    fn from(status: ConversationStatus) -> Self {
        match status {
            ConversationStatus::Open => Self::Open,
            ConversationStatus::Waiting => Self::Waiting,
            ConversationStatus::AssignedHuman => Self::AssignedHuman,
            ConversationStatus::Resolved => Self::Resolved,
            ConversationStatus::Closed => Self::Closed,
        }
    }
}

impl From<Status> for ConversationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Open => Self::Open,
            Status::Waiting => Self::Waiting,
            Status::AssignedHuman => Self::AssignedHuman,
            Status::Resolved => Self::Resolved,
            Status::Closed => Self::Closed,
        }
    }
}

use chrono::{DateTime, Utc};
use domain::ConversationStatus;
use poem_openapi::param::{Path, Query};
use poem_openapi::{Enum, Object, OpenApi};
use serde::Deserialize;
use store::conversations::{self, Conversation};
use uuid::Uuid;

use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Found, List};
use crate::auth::Auth;
use crate::payload::{JsonBody, PageRequest};

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
struct ConversationView {
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
    /// When it began.
    created_at: DateTime<Utc>,
}

/// A change to a conversation.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateConversation {
    /// Where it is to stand: `assigned_human` silences the machine, `open` lets it answer again.
    status: Status,
}

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
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only those that stand so.
        status: Query<Option<Status>>,
        /// Only those of this channel.
        channel_id: Query<Option<Uuid>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<ConversationView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let status = status.0.map(Into::into);
        let channel = channel_id.0.map(Into::into);
        let found = conversations::list(&mut tx, status, channel, page.after, page.limit).await?;
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

    /// Put a conversation into another status
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
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let status = body.value.status.into();
        let changed = conversations::set_status(&mut tx, conversation_id.0.into(), status).await;
        let conversation = changed.map_err(another_open)?;
        tx.commit().await?;
        Ok(Answer(view(&conversation)))
    }
}

fn another_open(error: db::Error) -> Problem {
    if error.violates("conversations_one_open_key") {
        let detail = "The contact has another conversation that is open.";
        return Problem::conflict("another_conversation_open", detail);
    }
    error.into()
}

fn view(conversation: &Conversation) -> ConversationView {
    ConversationView {
        id: conversation.id.as_uuid(),
        channel_id: conversation.channel_id.as_uuid(),
        contact_id: conversation.contact_id.as_uuid(),
        status: conversation.status.into(),
        message_seq: conversation.message_seq,
        last_inbound_at: conversation.last_inbound_at,
        last_message_at: conversation.last_message_at,
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

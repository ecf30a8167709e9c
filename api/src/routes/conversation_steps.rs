use assistant::people;
use domain::ConversationStep;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use uuid::Uuid;

use super::Tag;
use super::conversations::{ConversationView, view};
use crate::Problem;
use crate::answer::{Answer, Found};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody};

/// Who is to have a conversation.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignConversation {
    /// Who, in your own words, up to 200 characters; nobody in particular if missing.
    to: Option<String>,
}

/// How far people have read.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadConversation {
    /// The `seq` of the last message that was read; the newest one if missing.
    seq: Option<i64>,
}

pub(crate) struct StepRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Conversations")]
impl StepRoutes {
    /// Assign a conversation to a person
    ///
    /// The machine is silent in it until it is released, resolved or closed, and an answer that is
    /// being made is dropped. 409 if it is closed.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/assign",
        method = "post",
        operation_id = "assign_conversation"
    )]
    async fn assign(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        body: JsonBody<AssignConversation>,
    ) -> Result<Found<ConversationView>, Problem> {
        let mut checks = Checks::default();
        let to = body.value.to.map(|to| checks.text("to", &to, 200));
        checks.finish()?;
        let step = ConversationStep::GoToPerson;
        take(&auth, tenant_id.0, conversation_id.0, step, to.as_deref()).await
    }

    /// Give a conversation back to the machine
    ///
    /// It answers what the contact writes from then on. 409 if it is resolved or closed.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/release",
        method = "post",
        operation_id = "release_conversation"
    )]
    async fn release(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<ConversationView>, Problem> {
        let step = ConversationStep::Release;
        take(&auth, tenant_id.0, conversation_id.0, step, None).await
    }

    /// Resolve a conversation
    ///
    /// It is settled; the contact's next message opens it again, with the machine. 409 if it is
    /// closed.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/resolve",
        method = "post",
        operation_id = "resolve_conversation"
    )]
    async fn resolve(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<ConversationView>, Problem> {
        let step = ConversationStep::Resolve;
        take(&auth, tenant_id.0, conversation_id.0, step, None).await
    }

    /// Close a conversation
    ///
    /// It is over; the contact's next message begins another one.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/close",
        method = "post",
        operation_id = "close_conversation"
    )]
    async fn close(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<ConversationView>, Problem> {
        let step = ConversationStep::Close;
        take(&auth, tenant_id.0, conversation_id.0, step, None).await
    }

    /// Reopen a conversation
    ///
    /// A resolved or closed one goes on, with the machine. 409 if the contact has another one that
    /// is open.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/reopen",
        method = "post",
        operation_id = "reopen_conversation"
    )]
    async fn reopen(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<ConversationView>, Problem> {
        let step = ConversationStep::Reopen;
        take(&auth, tenant_id.0, conversation_id.0, step, None).await
    }

    /// Mark a conversation as read
    ///
    /// By the people of the tenant's; the contact sees it where the channel shows such a thing. Never
    /// goes back.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/read",
        method = "post",
        operation_id = "read_conversation"
    )]
    async fn read(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        body: JsonBody<ReadConversation>,
    ) -> Result<Found<ConversationView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let seq = body.value.seq.unwrap_or(i64::MAX);
        let id = conversation_id.0.into();
        let assistant = &auth.0.state().assistant;
        let conversation = people::mark_read(assistant, &mut tx, id, seq).await?;
        tx.commit().await?;
        Ok(Answer(view(&conversation)))
    }
}

async fn take(
    auth: &Auth,
    tenant: Uuid,
    conversation: Uuid,
    step: ConversationStep,
    to: Option<&str>,
) -> Result<Found<ConversationView>, Problem> {
    let mut tx = auth.0.act_for(tenant.into()).await?;
    let assistant = &auth.0.state().assistant;
    let stepped = people::step(assistant, &mut tx, conversation.into(), step, to).await?;
    tx.commit().await?;
    Ok(Answer(view(&stepped)))
}

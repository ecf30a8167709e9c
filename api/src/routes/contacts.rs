use std::collections::HashMap;

use assistant::people::{self, ExportedConversation};
use chrono::{DateTime, Utc};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use store::contact_erasures::{self, Erasure};
use store::contacts::{self, Contact};
use uuid::Uuid;

use super::Tag;
use super::conversations::{self, ConversationView};
use super::messages::{self, MessageView};
use super::usage::CallView;
use crate::Problem;
use crate::answer::{Accepted, Answer, Found};
use crate::auth::Auth;
use crate::payload::JsonBody;

/// A person, as one channel knows them.
#[derive(Debug, Object)]
#[oai(rename = "Contact")]
struct ContactView {
    /// Its id.
    id: Uuid,
    /// The channel that knows the person so.
    channel_id: Uuid,
    /// The channel's lasting name of the person.
    external_id: String,
    /// Where to send to.
    address: Option<String>,
    /// What the person calls themselves.
    display_name: Option<String>,
    /// Since when the person wants no messages; `null`: they are welcome.
    opted_out_at: Option<DateTime<Utc>>,
    /// When they were first heard of.
    created_at: DateTime<Utc>,
}

/// A change to a contact.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateContact {
    /// Whether the person wants no more messages.
    opted_out: bool,
}

/// Everything kept about one person, as one channel knows them.
#[derive(Debug, Object)]
struct ContactExport {
    /// The person.
    contact: ContactView,
    /// Their stays in the web chat.
    webchat_sessions: Vec<SessionView>,
    /// What was said, conversation by conversation, oldest first.
    conversations: Vec<ConversationExport>,
}

/// A stay in a web chat.
#[derive(Debug, Object)]
#[oai(rename = "ExportedWebchatSession")]
struct SessionView {
    /// When it began.
    created_at: DateTime<Utc>,
    /// The address it was opened from.
    address: Option<String>,
}

/// One conversation with everything that was said in it.
#[derive(Debug, Object)]
struct ConversationExport {
    /// The conversation.
    conversation: ConversationView,
    /// Its messages, in order.
    messages: Vec<MessageView>,
    /// The calls to models that were made for it, newest first.
    calls: Vec<CallView>,
}

/// One erasure of everything kept about a contact.
#[derive(Debug, Object)]
#[oai(rename = "ContactErasure")]
struct ErasureView {
    /// Its id.
    id: Uuid,
    /// The contact, whose id leads nowhere once it is finished.
    contact_id: Uuid,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// When everything was gone; `null`: not yet.
    finished_at: Option<DateTime<Utc>>,
    /// How many rows of each sort were deleted or emptied.
    counts: HashMap<String, u64>,
}

pub(crate) struct ContactRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Contacts")]
impl ContactRoutes {
    /// Get a contact
    #[oai(
        path = "/tenants/:tenant_id/contacts/:contact_id",
        method = "get",
        operation_id = "get_contact"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The contact.
        contact_id: Path<Uuid>,
    ) -> Result<Found<ContactView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let contact = contacts::get(&mut tx, contact_id.0.into()).await?;
        Ok(Answer(view(contact)))
    }

    /// Change whether a contact wants messages
    ///
    /// As a stop word does it, only that the contact reads nothing about it.
    #[oai(
        path = "/tenants/:tenant_id/contacts/:contact_id",
        method = "put",
        operation_id = "update_contact"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The contact.
        contact_id: Path<Uuid>,
        body: JsonBody<UpdateContact>,
    ) -> Result<Found<ContactView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let assistant = &auth.0.state().assistant;
        let id = contact_id.0.into();
        let is_out = body.value.opted_out;
        let contact = people::set_opted_out(assistant, &mut tx, id, is_out).await?;
        tx.commit().await?;
        Ok(Answer(view(contact)))
    }

    /// Export everything kept about a contact
    ///
    /// Conversations, messages and the files that came with them, by their ids, web chat sessions and
    /// calls to models; nothing about others.
    #[oai(
        path = "/tenants/:tenant_id/contacts/:contact_id/export",
        method = "get",
        operation_id = "export_contact"
    )]
    async fn export(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The contact.
        contact_id: Path<Uuid>,
    ) -> Result<Found<ContactExport>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let export = people::export(&mut tx, contact_id.0.into()).await?;
        let sessions = export.sessions.into_iter();
        let conversations = export.conversations.into_iter();
        Ok(Answer(ContactExport {
            contact: view(export.contact),
            webchat_sessions: sessions
                .map(|(created_at, address)| SessionView {
                    created_at,
                    address,
                })
                .collect(),
            conversations: conversations.map(view_exported).collect(),
        }))
    }

    /// Erase everything kept about a contact
    ///
    /// A job does it; the answer says where to look for its proof. There is no way back. A message
    /// that comes later makes a fresh contact.
    #[oai(
        path = "/tenants/:tenant_id/contacts/:contact_id",
        method = "delete",
        operation_id = "erase_contact"
    )]
    async fn erase(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The contact.
        contact_id: Path<Uuid>,
    ) -> Result<Accepted<ErasureView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let assistant = &auth.0.state().assistant;
        let id = contact_id.0.into();
        let erasure = people::request_erasure(assistant, &mut tx, id).await?;
        tx.commit().await?;
        Ok(Answer(view_erasure(erasure)))
    }

    /// Get the proof of an erasure
    #[oai(
        path = "/tenants/:tenant_id/erasures/:erasure_id",
        method = "get",
        operation_id = "get_erasure"
    )]
    async fn get_erasure(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The erasure.
        erasure_id: Path<Uuid>,
    ) -> Result<Found<ErasureView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let erasure = contact_erasures::get(&mut tx, erasure_id.0.into()).await?;
        Ok(Answer(view_erasure(erasure)))
    }
}

fn view_exported(exported: ExportedConversation) -> ConversationExport {
    let mut files = messages::by_message(exported.files);
    let written = exported.messages.into_iter();
    ConversationExport {
        conversation: conversations::view(&exported.conversation),
        messages: written
            .map(|message| messages::with_files(message, &mut files))
            .collect(),
        calls: exported.calls.into_iter().map(CallView::new).collect(),
    }
}

fn view(contact: Contact) -> ContactView {
    ContactView {
        id: contact.id.as_uuid(),
        channel_id: contact.channel_id.as_uuid(),
        external_id: contact.external_id,
        address: contact.address,
        display_name: contact.display_name,
        opted_out_at: contact.opted_out_at,
        created_at: contact.created_at,
    }
}

fn view_erasure(erasure: Erasure) -> ErasureView {
    ErasureView {
        id: erasure.id.as_uuid(),
        contact_id: erasure.contact_id.as_uuid(),
        requested_at: erasure.requested_at,
        finished_at: erasure.finished_at,
        counts: erasure.counts.into_iter().collect(),
    }
}

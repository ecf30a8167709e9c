use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::ContactId;
use store::contacts::{self, Contact};
use store::conversations::{self, Conversation};
use store::message_files::{self, MessageFile};
use store::messages::{self, Message};
use store::model_calls::{self, ModelCall};
use store::webchat_sessions;

/// How many rows are read at once.
const PAGE: usize = 500;

/// Everything kept about one person, as one channel knows them.
#[derive(Clone, Debug)]
pub struct Export {
    /// The person.
    pub contact: Contact,
    /// When their web chat sessions began, and from which addresses.
    pub sessions: Vec<(DateTime<Utc>, Option<String>)>,
    /// What was said, conversation by conversation, oldest first.
    pub conversations: Vec<ExportedConversation>,
}

/// One conversation of an export.
#[derive(Clone, Debug)]
pub struct ExportedConversation {
    /// The conversation.
    pub conversation: Conversation,
    /// Its messages, in order.
    pub messages: Vec<Message>,
    /// The files that came with them, except in web chats, where the messages name theirs.
    pub files: Vec<MessageFile>,
    /// The calls to models that were made for it, newest first.
    pub calls: Vec<ModelCall>,
}

/// Collects everything kept about a contact, and nothing about others.
///
/// # Errors
/// `NotFound` if there is no such contact, and those of the database.
pub async fn export(tx: &mut TenantTx, id: ContactId) -> db::Result<Export> {
    let contact = contacts::get(tx, id).await?;
    let visitor = &contact.external_id;
    let sessions = webchat_sessions::list_of_visitor(tx, contact.channel_id, visitor).await?;
    let mut exported = Vec::new();
    for conversation in conversations::list_of_contact(tx, id).await? {
        let mut written: Vec<Message> = Vec::new();
        let mut files = Vec::new();
        loop {
            let after = written.last().map_or(0, |message| message.seq);
            let page = messages::list(tx, conversation.id, after, PAGE).await?;
            let ids: Vec<_> = page.data.iter().map(|message| message.id).collect();
            files.extend(message_files::list(tx, &ids).await?);
            written.extend(page.data);
            if page.next_cursor.is_none() {
                break;
            }
        }
        let mut calls: Vec<ModelCall> = Vec::new();
        loop {
            let before = calls.last().map(|call| call.id);
            let page = model_calls::list(tx, Some(conversation.id), before, PAGE).await?;
            calls.extend(page.data);
            if page.next_cursor.is_none() {
                break;
            }
        }
        exported.push(ExportedConversation {
            conversation,
            messages: written,
            files,
            calls,
        });
    }
    Ok(Export {
        contact,
        sessions,
        conversations: exported,
    })
}

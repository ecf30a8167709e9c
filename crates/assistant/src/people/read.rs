use ::channels::Action;
use db::{TenantTx, Tx as _};
use domain::ConversationId;
use store::conversations::{self, Conversation};
use store::{channels, contacts, messages};

use crate::connections::{connect, perform_aside};
use crate::{Assistant, Error};

/// Notes that people have read a conversation up to a message. Once the caller's transaction is
/// committed the contact is shown so, where the channel can show it.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn mark_read(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ConversationId,
    seq: i64,
) -> Result<Conversation, Error> {
    let before = conversations::get(tx, id).await?.read_seq;
    let conversation = conversations::mark_read(tx, id, seq).await?;
    let newest = messages::newest_received(tx, id, before, conversation.read_seq).await?;
    if let Some(message) = newest {
        show(assistant, tx, &conversation, &message).await?;
    }
    Ok(conversation)
}

async fn show(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    message: &str,
) -> Result<(), Error> {
    let channel = channels::get(tx, conversation.channel_id).await?;
    // What is broken shows when something is to be sent.
    let Ok(Some(connection)) = connect(assistant, &channel) else {
        return Ok(());
    };
    if !channel.enabled {
        return Ok(());
    }
    let contact = contacts::get(tx, conversation.contact_id).await?;
    let to = contact.send_to();
    let requests = connection.act(Action::MarkRead { to, message });
    let assistant = assistant.clone();
    tx.after_commit(Box::new(move || perform_aside(&assistant, requests)));
    Ok(())
}

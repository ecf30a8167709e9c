use std::time::Duration;

use ::channels::channel as adapter;
use db::TenantTx;
use domain::{AssignReason, Author, Content, ConversationId, MessageId, MessageStatus};
use live::{LiveBody, LiveEvent};
use store::contacts::Contact;
use store::messages::{self, Message};
use store::{channels, contacts, conversations};

use super::hand_off::take_over;
use super::read::mark_read;
use super::tell;
use crate::deliver::{NewMessage, enqueue_again, queue, queue_content};
use crate::{Assistant, Error, TenantProfile};

/// A person of the tenant's writes to the contact, in the caller's transaction: words, or whatever
/// else the channel carries. The conversation is theirs from then on, whether it was before or not.
/// Returns the stored messages: one, or several where the channel carries no text as long.
///
/// The send is a job of its own lane and order; no answer that is being made stands before it.
///
/// # Errors
/// `NotFound`; `Conflict` for a conversation that is over, or a contact who wants no messages;
/// `Refused` for what the channel carries in no form, words that are marks alone among it; and those of
/// the database.
pub async fn send_message(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ConversationId,
    content: &Content,
    from: Option<&str>,
) -> Result<Vec<Message>, Error> {
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let conversation = conversations::get(tx, id).await?;
    check_wanted(tx, conversation.contact_id).await?;
    let channel = channels::get(tx, conversation.channel_id).await?;
    // Of what the channel cannot carry nothing happens: marks alone say nothing.
    let planned = adapter(channel.kind).plan(content);
    planned.map_err(|error| Error::Refused(error.to_string()))?;
    let taken = AssignReason::Taken;
    let happened = take_over(assistant, tx, &profile, id, taken, from).await?;
    let author = Author::Agent;
    let queued = match content {
        Content::Text { body } => {
            let words = NewMessage {
                author,
                turn: None,
                text: body,
                sources: &[],
            };
            queue(assistant, tx, &conversation, &words).await?
        }
        other => queue_content(assistant, tx, &conversation, author, other).await?,
    };
    let mut stored = Vec::new();
    for message in queued {
        stored.push(messages::get(tx, message).await?);
    }
    if let Some(last) = stored.last() {
        // Who writes has read.
        mark_read(assistant, tx, id, last.seq).await?;
    }
    tell(assistant, tx, &happened).await?;
    Ok(stored)
}

/// Has a failed message sent once more, by a job of its own, in the caller's transaction. It goes to
/// the end of what waits in its conversation; whatever refused it before may refuse it again, only
/// that a person has the conversation no longer does: a person asked for it.
///
/// # Errors
/// `NotFound`; `Conflict` for a message that has not failed, or a contact who wants no messages; and
/// those of the database.
pub async fn retry_message(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: ConversationId,
    id: MessageId,
) -> Result<Message, Error> {
    let message = messages::lock(tx, id).await?;
    if message.conversation_id != conversation {
        return Err(Error::NotFound);
    }
    let stored = conversations::get(tx, conversation).await?;
    check_wanted(tx, stored.contact_id).await?;
    if !messages::retry(tx, id).await? {
        return Err(Error::Conflict {
            code: "message_not_failed",
            detail: format!(
                "The message is `{}`; only a failed one is sent again.",
                message.status
            ),
        });
    }
    let body = LiveBody::Status {
        message_id: id,
        seq: message.seq,
        status: MessageStatus::Queued,
    };
    live::publish(tx, &LiveEvent::new(conversation, body));
    let queued = messages::get(tx, id).await?;
    enqueue_again(assistant, tx, &stored, &queued, Duration::ZERO).await?;
    Ok(queued)
}

/// Why a message may not leave because its contact wants no more of them. What confirms a stop was
/// asked for and leaves all the same.
pub(crate) fn is_unwanted(message: &Message, contact: &Contact) -> Option<&'static str> {
    let is_unwanted = contact.opted_out_at.is_some() && message.author != Author::System;
    is_unwanted.then_some("the contact wants no more messages")
}

pub(super) async fn check_wanted(
    tx: &mut TenantTx,
    contact: domain::ContactId,
) -> Result<(), Error> {
    match contacts::opted_out_at(tx, contact).await? {
        None => Ok(()),
        Some(_) => Err(Error::Conflict {
            code: "contact_opted_out",
            detail: "The contact wants no more messages.".to_owned(),
        }),
    }
}

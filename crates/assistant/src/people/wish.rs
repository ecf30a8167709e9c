use db::TenantTx;
use domain::{ContactId, ConversationId, UnansweredReason};
use events::{ContactData, Event};
use store::{contacts, conversations};

use super::tell;
use crate::{Assistant, Error};

/// Notes that a contact wants no messages, or wants them again, in the caller's transaction; returns
/// what integrators are to be told, `None` if it is no news. What was asked before is not answered
/// after it.
///
/// # Errors
/// `NotFound`, and those of the database.
pub(super) async fn note_wish(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ContactId,
    is_out: bool,
) -> db::Result<Option<Event>> {
    let now = assistant.clock.now();
    let contact = contacts::get(tx, id).await?;
    if !contacts::set_opted_out(tx, id, is_out.then_some(now)).await? {
        return Ok(None);
    }
    let data = ContactData {
        contact_id: id,
        channel_id: contact.channel_id,
        occurred_at: now,
    };
    if !is_out {
        return Ok(Some(Event::ContactOptedIn(data)));
    }
    let running = conversations::find_running(tx, contact.channel_id, id).await?;
    if let Some(running) = running {
        conversations::lock(tx, running.id).await?;
        let reason = Some(UnansweredReason::OptedOut);
        conversations::settle_turn(tx, running.id, reason).await?;
    }
    Ok(Some(Event::ContactOptedOut(data)))
}

/// Notes that the contact of a conversation wants no messages, as the channel's operator says when it
/// refuses one, and tells integrators, in the caller's transaction. Call it last.
///
/// # Errors
/// `NotFound`, and those of the database.
pub(crate) async fn heed_operator(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ConversationId,
) -> db::Result<()> {
    let contact = conversations::get(tx, id).await?.contact_id;
    match note_wish(assistant, tx, contact, true).await? {
        Some(event) => tell(assistant, tx, &[event]).await,
        None => Ok(()),
    }
}

/// Notes that a contact wants no messages, or wants them again, as a person of the tenant's was
/// told. The contact reads nothing about it.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn set_opted_out(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ContactId,
    is_out: bool,
) -> Result<contacts::Contact, Error> {
    let happened = note_wish(assistant, tx, id, is_out).await?;
    if let Some(event) = happened {
        tell(assistant, tx, &[event]).await?;
    }
    Ok(contacts::get(tx, id).await?)
}

use db::TenantTx;
use domain::{ChannelId, ContactId, ContactRef, ContentBody, InboundMessage, SystemNotice};
use jobs::Failure;
use store::messages::{self, Changed};
use store::{contacts, conversations, message_files};

use super::message::ask_for_answer;
use crate::answer::is_answered_by_machine;
use crate::{Assistant, TenantProfile};

/// Applies a later wording or a deletion to the message it is about. False if there is nothing to
/// apply it to: it is kept as a message of its own then.
pub(super) async fn apply(
    assistant: &Assistant,
    tx: &mut TenantTx,
    contact: ContactId,
    message: &InboundMessage,
) -> Result<bool, Failure> {
    let at = message.occurred_at;
    let body = &message.content.body;
    let content = |body: &ContentBody| serde_json::to_value(body).map_err(Failure::retry);
    let changed = match body {
        ContentBody::Edit {
            target,
            content: new,
        } => {
            let text = new.plain_text();
            messages::edit(tx, contact, target, &text, &content(new)?, at).await?
        }
        // Its words are gone for everybody: that is what the contact asked for.
        ContentBody::Revoke { target } => {
            let text = body.plain_text();
            messages::revoke(tx, contact, target, &text, &content(body)?, at).await?
        }
        _ => return Ok(false),
    };
    let Some(changed) = changed else {
        return Ok(false);
    };
    if matches!(body, ContentBody::Revoke { .. }) {
        message_files::delete_of_message(tx, changed.id).await?;
    }
    answer_anew(assistant, tx, &changed).await?;
    Ok(true)
}

/// Has the answer made from the words that stand now, if none was given yet.
async fn answer_anew(
    assistant: &Assistant,
    tx: &mut TenantTx,
    changed: &Changed,
) -> Result<(), Failure> {
    let conversation = conversations::lock(tx, changed.conversation_id).await?;
    let is_open = changed
        .turn
        .is_some_and(|turn| turn > conversation.answered_turn);
    if is_open && is_answered_by_machine(conversation.status) {
        let profile = TenantProfile::load(tx, &assistant.keyring).await?;
        conversations::raise_turn(tx, conversation.id).await?;
        ask_for_answer(tx, &profile, conversation.id).await?;
    }
    Ok(())
}

/// A contact has another number or another name at the channel: it stays the same contact. Returns
/// how the channel names it from here on.
pub(super) async fn relink(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: &ContactRef,
    notice: &SystemNotice,
) -> Result<ContactRef, Failure> {
    let new = notice
        .new_external_id
        .as_ref()
        .or(notice.new_address.as_ref());
    let Some(new) = new else {
        return Ok(contact.clone());
    };
    let old = [
        notice.previous_external_id.as_ref(),
        Some(&contact.external_id),
        Some(&contact.address),
    ];
    for old in old.into_iter().flatten().filter(|old| *old != new) {
        if contacts::rename(tx, channel, old, new).await? {
            break;
        }
    }
    let address = notice.new_address.as_ref().unwrap_or(new);
    Ok(ContactRef {
        external_id: new.clone(),
        address: address.clone(),
        display_name: contact.display_name.clone(),
    })
}

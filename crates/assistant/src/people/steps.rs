use db::TenantTx;
use domain::{
    After, AssignReason, ConversationId, ConversationStatus, ConversationStep, UnansweredReason,
};
use events::{ConversationData, Event};
use store::conversations::{self, Conversation};

use super::hand_off::{HandOff, hand_off};
use super::{another_open, say, tell, thread};
use crate::{Assistant, Error, TenantProfile};

/// A person of the tenant's takes a step with a conversation, in the caller's transaction.
///
/// `to` says who has it from then on, for `GoToPerson`. A step that leads where the conversation
/// stands already changes and tells nothing, except who has it.
///
/// # Errors
/// `NotFound`; `Conflict` for a step that cannot be taken from where it stands, or that would open a
/// second conversation of the contact; and those of the database.
pub async fn step(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ConversationId,
    step: ConversationStep,
    to: Option<&str>,
) -> Result<Conversation, Error> {
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let conversation = conversations::lock(tx, id).await?;
    let After::Stands(status) = conversation.status.after(step) else {
        return Err(refused(conversation.status, step));
    };
    if step == ConversationStep::GoToPerson {
        return assign(assistant, tx, &profile, &conversation, to).await;
    }
    if status == conversation.status {
        return Ok(conversation);
    }
    let changed = conversations::set_status(tx, id, status).await;
    let changed = changed.map_err(another_open)?;
    if !status.is_open() {
        // Nobody waits for an answer to what is settled.
        conversations::settle_turn(tx, id, Some(UnansweredReason::Ended)).await?;
    }
    say::show_status(tx, &changed);
    if conversation.status == ConversationStatus::AssignedHuman {
        thread::follow(assistant, tx, &changed).await?;
    }
    let now = assistant.clock.now();
    let data = ConversationData::of(&changed, profile.settings.hours.is_open(now), now);
    let event = match step {
        ConversationStep::Release => Some(Event::ConversationReleased(data)),
        ConversationStep::Resolve => Some(Event::ConversationResolved(data)),
        ConversationStep::Close => Some(Event::ConversationClosed(data)),
        ConversationStep::Reopen if !conversation.status.is_open() => {
            Some(Event::ConversationReopened(data))
        }
        _ => None,
    };
    if let Some(event) = event {
        tell(assistant, tx, &[event]).await?;
    }
    Ok(conversations::get(tx, id).await?)
}

/// Gives a conversation to a person, or to another one.
async fn assign(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
    to: Option<&str>,
) -> Result<Conversation, Error> {
    let id = conversation.id;
    if conversation.status == ConversationStatus::AssignedHuman {
        if conversation.assigned_to.as_deref() == to {
            return Ok(conversation.clone());
        }
        let assigned = conversations::reassign(tx, id, to).await?;
        let now = assistant.clock.now();
        let data = ConversationData::of(&assigned, profile.settings.hours.is_open(now), now);
        tell(assistant, tx, &[Event::ConversationAssigned(data)]).await?;
        return Ok(assigned);
    }
    let how = HandOff {
        reason: AssignReason::Taken,
        to,
        note: None,
        language: "",
    };
    let happened = hand_off(assistant, tx, profile, conversation, &how).await?;
    tell(assistant, tx, &happened).await?;
    Ok(conversations::get(tx, id).await?)
}

/// A step that cannot be taken.
pub(super) fn refused(status: ConversationStatus, step: ConversationStep) -> Error {
    let what = step.what();
    Error::Conflict {
        code: "conversation_status",
        detail: format!("A conversation that is `{status}` cannot be {what}."),
    }
}

use chrono::{DateTime, TimeDelta, Utc};
use db::TenantTx;
use domain::{
    After, AssignReason, ConversationId, ConversationStatus, ConversationStep, UnansweredReason,
    WhenClosed,
};
use events::{ConversationData, Event};
use store::conversations::{self, Assignment, Conversation};

use super::{another_open, say, thread, vocabulary};
use crate::{Assistant, Error, TenantProfile};

/// How a conversation goes to a person.
#[derive(Clone, Copy, Debug)]
pub struct HandOff<'a> {
    /// Why.
    pub reason: AssignReason,
    /// To whom, in the tenant's own words; `None`: nobody in particular.
    pub to: Option<&'a str>,
    /// What the model says of it.
    pub note: Option<&'a str>,
    /// The language of the product's own texts, for example `de`.
    pub language: &'a str,
}

/// Gives a conversation to a person, in the caller's transaction, which holds its lock: its status,
/// what the contact reads, and what integrators are told, which comes back. The machine is silent
/// from the commit on; an answer that is being made is dropped, and what the contact wrote so far is
/// the person's to answer.
///
/// Who asks outside business hours reads so, and gets a person later, or, by the tenant's setting,
/// none. A conversation that a person has already stays as it is.
///
/// # Errors
/// `Conflict` for a conversation that is over, and those of the database.
pub async fn hand_off(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
    how: &HandOff<'_>,
) -> Result<Vec<Event>, Error> {
    if conversation.status == ConversationStatus::AssignedHuman {
        return Ok(Vec::new());
    }
    let step = ConversationStep::GoToPerson;
    if conversation.status.after(step) == After::Refused {
        return Err(super::steps::refused(conversation.status, step));
    }
    let now = assistant.clock.now();
    let settings = &profile.settings.handoff;
    let is_open = profile.settings.hours.is_open(now);
    let is_asked_for = !matches!(how.reason, AssignReason::Taken | AssignReason::Echo);
    let requested = |conversation: &Conversation| {
        Event::HandoffRequested(ConversationData {
            reason: Some(how.reason),
            note: how.note.map(str::to_owned),
            ..ConversationData::of(conversation, is_open, now)
        })
    };
    let words = vocabulary::of(how.language);
    let text = match (is_open, &settings.text, &settings.closed_text) {
        (true, own, _) => own.as_deref().unwrap_or(words.person_comes),
        (false, _, own) => own.as_deref().unwrap_or(words.nobody_there),
    };
    if is_asked_for && !is_open && settings.when_closed == WhenClosed::Stay {
        let is_asked = conversation.answered_turn < conversation.turn_seq;
        let settles = is_asked.then_some(UnansweredReason::NoAnswer);
        say::system(assistant, tx, conversation, text, settles).await?;
        return Ok(vec![requested(conversation)]);
    }
    let assignment = Assignment {
        reason: how.reason,
        to: how.to,
        at: now,
        release_at: release_at(profile, now),
    };
    let assigned = conversations::assign(tx, conversation.id, &assignment).await;
    let assigned = assigned.map_err(another_open)?;
    if is_asked_for {
        say::system(assistant, tx, &assigned, text, None).await?;
    }
    say::show_status(tx, &assigned);
    thread::follow(assistant, tx, &assigned).await?;
    let mut happened = Vec::with_capacity(2);
    if is_asked_for {
        happened.push(requested(&assigned));
    }
    let data = ConversationData::of(&assigned, is_open, now);
    happened.push(Event::ConversationAssigned(data));
    tracing::info!(conversation.id = %assigned.id, reason = %how.reason, "a person takes over");
    Ok(happened)
}

/// A person wrote to the contact, here or in another app of the channel: the conversation is theirs,
/// and the time after which the machine answers again begins anew. Locks the conversation; call it
/// in the transaction that stores what they wrote.
///
/// # Errors
/// `NotFound` for a conversation that is not there, `Conflict` for one that is over, and those of
/// the database.
pub async fn take_over(
    assistant: &Assistant,
    tx: &mut TenantTx,
    profile: &TenantProfile,
    id: ConversationId,
    reason: AssignReason,
    to: Option<&str>,
) -> Result<Vec<Event>, Error> {
    let conversation = conversations::lock(tx, id).await?;
    if conversation.status == ConversationStatus::AssignedHuman {
        let release_at = release_at(profile, assistant.clock.now());
        conversations::postpone_release(tx, id, release_at).await?;
        return Ok(Vec::new());
    }
    let how = HandOff {
        reason,
        to,
        note: None,
        language: "",
    };
    hand_off(assistant, tx, profile, &conversation, &how).await
}

/// When the machine answers again if no person writes from now on.
fn release_at(profile: &TenantProfile, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let minutes = profile.settings.handoff.release_after_minutes;
    (minutes > 0).then(|| now + TimeDelta::minutes(minutes.into()))
}

//! An answer goes out: `queued`, `sending` (the intent, committed), the request itself, and then
//! `sent`, `failed`, or `unknown` if nobody saw how it ended.
//!
//! An `unknown` send waits for the channel's report, which carries our tag. None within
//! `METACHAT_SEND_RECONCILE_SECONDS`: it is sent once more, and if that end is not seen either, it
//! fails visibly. What remains: a report that comes later than that lets a message go out twice.

mod whatsapp;

use std::time::Duration;

use ::channels::channel as adapter;
use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{Author, ConversationStatus, MessageId, MessageStatus};
use fail::fail_point;
use jobs::kinds::SendReply;
use jobs::{DeadJob, Failure, JobHandle};
use store::{channels, conversations, messages};

use crate::Assistant;
use crate::receive::status::announce;

/// How often a message is given to its channel when ends are not seen.
const MAX_SENDS: i16 = 2;

/// What is known before a message leaves.
struct Plan {
    message: messages::Message,
    channel: channels::Channel,
}

/// Sends one message through its channel.
///
/// # Errors
/// A retry or a snooze for what may pass; a refusal for good is no error, but the message's `failed`.
pub async fn send(
    assistant: &Assistant,
    handle: &JobHandle,
    job: SendReply,
) -> Result<(), Failure> {
    let Some(plan) = prepare(assistant, handle, &job).await? else {
        return Ok(());
    };
    fail_point!("send.intent_committed");
    match adapter(plan.channel.kind).capabilities().delivery {
        // The stored message is the delivery: open windows are told after commit.
        ::channels::Delivery::LivePush => settle_sent(assistant, &plan, None).await,
        ::channels::Delivery::Request => whatsapp::send(assistant, handle, &plan).await,
    }
}

/// Decides whether the message may leave, and commits the intent to send it.
async fn prepare(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &SendReply,
) -> Result<Option<Plan>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let message = messages::lock(&mut tx, job.message_id).await?;
    let now = assistant.clock.now();
    match message.status {
        MessageStatus::Queued => {}
        MessageStatus::Sending => {
            let why = "the worker stopped before it saw the end of the send";
            messages::mark_unknown(&mut tx, message.id, why).await?;
            tx.commit().await?;
            return Err(wait_for_report(assistant, message.sending_at, now));
        }
        MessageStatus::Unknown => {
            let wait = time_left(assistant, message.sending_at, now);
            if !wait.is_zero() {
                return Err(wait_for_report(assistant, message.sending_at, now));
            }
            if message.send_attempts >= MAX_SENDS {
                let why = "the channel did not say whether it took the message";
                fail(assistant, &mut tx, message.id, why).await?;
                tx.commit().await?;
                return Ok(None);
            }
        }
        MessageStatus::Received
        | MessageStatus::Sent
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Failed => return Ok(None),
    }
    let conversation = conversations::get(&mut tx, message.conversation_id).await?;
    let channel = channels::get(&mut tx, message.channel_id).await?;
    if let Some(why) = refusal(&message, &conversation, &channel, now) {
        fail(assistant, &mut tx, message.id, why).await?;
        tx.commit().await?;
        return Ok(None);
    }
    messages::begin_sending(&mut tx, message.id, now).await?;
    fail_point!("send.before_intent_commit");
    tx.commit().await?;
    Ok(Some(Plan { message, channel }))
}

/// Why a message may not leave by the channel's rules, or because a person took over.
fn refusal(
    message: &messages::Message,
    conversation: &conversations::Conversation,
    channel: &channels::Channel,
    now: DateTime<Utc>,
) -> Option<&'static str> {
    if !channel.enabled {
        return Some("the channel is switched off");
    }
    if message.author == Author::Assistant
        && conversation.status == ConversationStatus::AssignedHuman
    {
        return Some("a person took over before it was sent");
    }
    let window = adapter(channel.kind).capabilities().reply_window?;
    let since = conversation
        .last_inbound_at
        .map(|at| now - at)
        .and_then(|since| since.to_std().ok());
    since
        .is_some_and(|since| since > window)
        .then_some("the contact wrote too long ago: the channel allows no free answer any more")
}

fn time_left(assistant: &Assistant, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let waited = since
        .and_then(|since| (now - since).to_std().ok())
        .unwrap_or_default();
    assistant.settings.send_reconcile.saturating_sub(waited)
}

fn wait_for_report(
    assistant: &Assistant,
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Failure {
    let wait = time_left(assistant, since, now).max(Duration::from_millis(100));
    Failure::snooze(
        wait,
        "waits for the channel's report whether the message was sent",
    )
}

/// Notes that the channel took the message, and applies the reports that were quicker.
async fn settle_sent(
    assistant: &Assistant,
    plan: &Plan,
    external_id: Option<&str>,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(plan.channel.tenant_id).await?;
    let id = plan.message.id;
    // Not fenced: that it was sent is true whoever holds the job, and spares everybody a wait.
    let news = messages::mark_sent(&mut tx, id, external_id, assistant.clock.now()).await?;
    if let Some(external_id) = external_id {
        messages::attach_external_id(&mut tx, id, external_id).await?;
        crate::receive::status::apply_parked(assistant, &mut tx, plan.channel.id, external_id)
            .await?;
    }
    if news {
        announce(assistant, &mut tx, id, true).await?;
    }
    fail_point!("send.before_sent_commit");
    tx.commit().await?;
    fail_point!("send.after_sent_commit");
    Ok(())
}

/// Notes that the message will not be sent, and tells whoever wants to know.
async fn fail(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: MessageId,
    why: &str,
) -> Result<(), Failure> {
    if messages::mark_failed(tx, id, why).await? {
        announce(assistant, tx, id, false).await?;
    }
    Ok(())
}

/// Makes the end of a send's job visible on its message, in the transaction that buries the job.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(assistant: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<SendReply>() else {
        return Ok(());
    };
    if messages::mark_failed(tx, job.message_id, "it could not be sent").await? {
        let announced = announce(assistant, tx, job.message_id, false).await;
        announced.map_err(|failure| db::Error::corrupt(failure.chain()))?;
    }
    Ok(())
}

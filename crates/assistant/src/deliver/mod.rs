//! An answer goes out: `queued`, `sending` (the intent, committed), the request itself, and then
//! `sent`, `failed`, or `unknown` if nobody saw how it ended.
//!
//! An `unknown` send waits for the channel's report, which carries our tag. None within
//! `METACHAT_SEND_RECONCILE_SECONDS`: it is sent once more, and if that end is not seen either, it
//! fails visibly. What remains: a report that comes later than that lets a message go out twice.

mod again;
mod fallback;
mod limits;
mod queue;
mod request;
mod upload;

use std::time::Duration;

use ::channels::{Delivery, channel as adapter};
use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{Author, ChannelHealth, ConversationStatus, MessageId, MessageStatus};
use fail::fail_point;
use jobs::kinds::SendReply;
use jobs::{DeadJob, Failure, JobHandle};
use store::{channels, conversations, messages, parked_statuses};
use telemetry::trace::{Subject, note};

use crate::channel_health::{self, Witness};
use crate::receive::status::{announce, apply_parked};
use crate::{Assistant, people};
use request::{Letter, Way};

pub(crate) use again::send_again;
pub use queue::queue_content;
pub(crate) use queue::{NewMessage, enqueue_again, queue, queue_on};

/// How often a message is given to its channel when ends are not seen.
const MAX_SENDS: i16 = 2;

/// How long to wait before a send is noted once more.
const OUTAGE_PAUSE: Duration = Duration::from_millis(300);

/// Sends one message through its channel.
///
/// # Errors
/// A retry or a snooze for what may pass; a refusal for good is no error, but the message's `failed`.
pub async fn send(
    assistant: &Assistant,
    handle: &JobHandle,
    job: SendReply,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    note(Subject::Conversation, job.conversation_id);
    note(Subject::Message, job.message_id);
    let uploaded = match job.file_id {
        Some(file) => upload::upload(assistant, handle, &job, file).await?,
        None => None,
    };
    let Some(letter) = prepare(assistant, handle, &job, uploaded).await? else {
        // Where the stored message is the delivery, that it was sent is committed by now.
        fail_point!("send.after_sent_commit");
        return Ok(());
    };
    fail_point!("send.intent_committed");
    request::send(assistant, handle, &letter).await
}

/// Decides whether the message may leave, with its file as it was `uploaded`, and commits the intent to
/// send it; `None` if there is nothing left to do.
async fn prepare(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &SendReply,
    uploaded: Option<String>,
) -> Result<Option<Letter>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let message = match messages::lock(&mut tx, job.message_id).await {
        // Erased, or older than what its tenant keeps.
        Err(db::Error::NotFound) => return Ok(None),
        found => found?,
    };
    let now = assistant.clock.now();
    match message.status {
        MessageStatus::Queued => {}
        MessageStatus::Sending => {
            let why = "the worker stopped before it saw the end of the send";
            messages::mark_unknown(&mut tx, message.id, why, now).await?;
            tx.commit().await?;
            return Err(wait_for_report(assistant.settings.send_reconcile));
        }
        MessageStatus::Unknown => {
            let wait = time_left(assistant, message.unknown_at, now);
            if !wait.is_zero() {
                return Err(wait_for_report(wait));
            }
            if message.send_attempts >= MAX_SENDS {
                let why = "the channel did not say whether it took the message";
                fail(assistant, &mut tx, message.id, why, None).await?;
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
    let letter = begin(assistant, &mut tx, message, uploaded, now).await?;
    fail_point!("send.before_intent_commit");
    tx.commit().await?;
    Ok(letter)
}

/// Takes the first step out of `queued` or `unknown`: the intent to send; `failed`, if the rules
/// forbid it; `sent`, where the stored message is the delivery.
async fn begin(
    assistant: &Assistant,
    tx: &mut TenantTx,
    message: messages::Message,
    uploaded: Option<String>,
    now: DateTime<Utc>,
) -> Result<Option<Letter>, Failure> {
    let party = conversations::get_with_contact(tx, message.conversation_id).await?;
    let (conversation, contact) = party;
    let channel = channels::get(tx, message.channel_id).await?;
    let unwanted = people::is_unwanted(&message, &contact);
    if let Some(why) = unwanted.or_else(|| refusal(&message, &conversation, &channel)) {
        fail(assistant, tx, message.id, why, None).await?;
        return Ok(None);
    }
    match adapter(channel.kind).capabilities().delivery {
        // Open windows are told after commit.
        Delivery::LivePush => {
            if let Some(sent) = messages::mark_sent(tx, message.id, None, now).await? {
                announce(assistant, tx, &sent, true).await?;
            }
            Ok(None)
        }
        Delivery::Request => {
            let to = request::Recipient {
                opened_at: conversation.window_opened_at,
                address: contact.send_to(),
            };
            match request::write(assistant, tx, channel, to, &message, uploaded, now).await? {
                Ok(letter) => {
                    messages::begin_sending(tx, message.id, now).await?;
                    Ok(Some(letter))
                }
                Err(why) => {
                    fail(assistant, tx, message.id, &why, None).await?;
                    Ok(None)
                }
            }
        }
    }
}

/// Why a message may not leave, whatever it says.
fn refusal(
    message: &messages::Message,
    conversation: &conversations::Conversation,
    channel: &channels::Channel,
) -> Option<&'static str> {
    if !channel.enabled {
        return Some("the channel is switched off");
    }
    let is_late = message.author == Author::Assistant
        && message.retry_count == 0
        && conversation.status == ConversationStatus::AssignedHuman;
    is_late.then_some("a person took over before it was sent")
}

fn time_left(assistant: &Assistant, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let waited = since
        .and_then(|since| (now - since).to_std().ok())
        .unwrap_or_default();
    assistant.settings.send_reconcile.saturating_sub(waited)
}

fn wait_for_report(wait: Duration) -> Failure {
    let wait = wait.max(Duration::from_millis(100));
    Failure::snooze(
        wait,
        "waits for the channel's report whether the message was sent",
    )
}

/// Notes that the channel took the message. Forgetting that would mean to send it again, so an
/// outage of the database is waited out, for as long as the job may take.
async fn settle_sent(assistant: &Assistant, way: &Way, external_id: &str) -> Result<(), Failure> {
    let own = way.message_id.to_string();
    let mut external_id = external_id;
    loop {
        match note_sent(assistant, way, external_id).await {
            Err(failure) if is_outage(&failure) => {
                tracing::warn!(message.id = %way.message_id, "a send could not be noted yet");
                tokio::time::sleep(OUTAGE_PAUSE).await;
            }
            // A tenant's own system may name each message the same: what was taken was taken.
            Err(Failure::Retry(error)) if is_taken(&*error) && external_id != own => {
                tracing::warn!(message.id = %way.message_id,
                    "the channel gave the message the id of another one");
                external_id = &own;
            }
            noted => return noted,
        }
    }
}

fn is_taken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error
        .downcast_ref::<db::Error>()
        .is_some_and(|error| error.violates(messages::EXTERNAL_ID_KEY))
}

/// Whether the database went away, so that nobody knows what became of a commit.
pub(crate) fn is_outage(failure: &Failure) -> bool {
    let Failure::Retry(error) = failure else {
        return false;
    };
    let error = error.downcast_ref::<db::Error>();
    error.is_some_and(db::Error::is_unavailable)
}

/// Notes that the channel took the message, and applies the reports that were quicker.
///
/// Not fenced: that it was sent is true whoever holds the job, and spares everybody a wait.
async fn note_sent(assistant: &Assistant, way: &Way, external_id: &str) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(way.channel.tenant_id).await?;
    let id = way.message_id;
    let now = assistant.clock.now();
    parked_statuses::lock(&mut tx, way.channel.id, external_id).await?;
    let sent = messages::mark_sent(&mut tx, id, Some(external_id), now).await?;
    if sent.is_none() {
        messages::attach_external_id(&mut tx, id, external_id).await?;
    }
    if matches!(
        way.channel.health,
        ChannelHealth::TokenDead | ChannelHealth::Misconfigured
    ) {
        let note = "a message was taken";
        channel_health::note(
            assistant,
            &mut tx,
            &way.channel,
            ChannelHealth::Working,
            note,
            Witness::Send,
        )
        .await?;
    }
    if let Some(sent) = sent {
        announce(assistant, &mut tx, &sent, true).await?;
    }
    apply_parked(assistant, &mut tx, &way.channel, external_id).await?;
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
    code: Option<i64>,
) -> Result<(), Failure> {
    if messages::mark_failed(tx, id, why, code).await? {
        let failed = messages::get(tx, id).await?;
        announce(assistant, tx, &failed, false).await?;
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
    if messages::mark_failed(tx, job.message_id, "it could not be sent", None).await? {
        let failed = messages::get(tx, job.message_id).await?;
        let announced = announce(assistant, tx, &failed, false).await;
        announced.map_err(|failure| db::Error::corrupt(failure.chain()))?;
    }
    Ok(())
}

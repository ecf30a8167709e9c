use channels::{SendClass, channel as adapter};
use db::TenantTx;
use domain::{ChannelId, Inbound, MessageStatus, RawOutcome, Receipt, StatusUpdate};
use events::{Event, MessageData};
use fail::fail_point;
use jobs::kinds::ChannelStatus;
use jobs::{DeadJob, Failure, JobHandle};
use live::{LiveBody, LiveEvent};
use store::channels::Channel;
use store::messages::{self, Message, NewReport, Report};
use store::parked_statuses::{self, ParkedStatus};
use store::{contacts, raw_items};
use telemetry::trace::{Subject, note};

use super::account;
use super::message::fail_item;
use crate::{Assistant, channel_health as health, deliver, people};

/// Applies what a channel reported about messages of ours, or about itself.
///
/// A report of a message that is not known yet is parked: it may have overtaken the answer to the
/// send itself.
///
/// # Errors
/// A retry for what may pass, dead for what cannot.
pub async fn apply(
    assistant: &Assistant,
    handle: &JobHandle,
    job: ChannelStatus,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    let mut tx = assistant.db.tenant_by_keys(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let (id, at) = (job.raw_item_id, job.received_at);
    let (payload, channel) = raw_items::take_posted(&mut tx, id, at).await?;
    let Some(payload) = payload else {
        return Err(Failure::dead("the raw item is not JSON"));
    };
    let outcome = match adapter(channel.kind).decode(&payload) {
        Ok(Inbound::Status(update)) => apply_update(assistant, &mut tx, &channel, &update).await?,
        Ok(Inbound::Receipt(receipt)) => {
            apply_receipt(assistant, &mut tx, channel.id, &receipt).await?
        }
        Ok(Inbound::Account(event)) => account::apply(assistant, &mut tx, &channel, &event).await?,
        Ok(_) => return Err(Failure::dead("the raw item is no report")),
        Err(unreadable) => return Err(Failure::dead(unreadable.reason)),
    };
    if outcome != RawOutcome::Done {
        raw_items::settle(&mut tx, id, at, outcome, None).await?;
    }
    fail_point!("status.before_commit");
    tx.commit().await?;
    fail_point!("status.after_commit");
    Ok(())
}

/// Makes the death of a report's job visible on its item, in the transaction that buries the job.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(_: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<ChannelStatus>() else {
        return Ok(());
    };
    fail_item(tx, job.raw_item_id, job.received_at, dead).await
}

async fn apply_update(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    update: &StatusUpdate,
) -> Result<RawOutcome, Failure> {
    let said = ParkedStatus::from(update);
    let new = NewReport {
        tag: update.tag.as_deref(),
        ..priced(&said, update)?
    };
    match report(tx, channel.id, &new).await? {
        Report::UnknownMessage => {
            parked_statuses::park(tx, channel.id, &update.external_id, &said).await?;
        }
        Report::NoChange(id) => note(Subject::Message, id),
        Report::Moved { message, first } => {
            follow(assistant, tx, channel, &message, first).await?;
            if first {
                apply_parked(assistant, tx, channel, &update.external_id).await?;
            }
        }
    }
    Ok(RawOutcome::Done)
}

/// A channel's report with what the operator charges, by the channel's id of the message alone.
pub(super) fn priced<'a>(
    said: &'a ParkedStatus,
    update: &'a StatusUpdate,
) -> Result<NewReport<'a>, Failure> {
    let pricing = update.pricing.as_ref().map(serde_json::to_value);
    Ok(NewReport {
        pricing: pricing.transpose().map_err(Failure::retry)?,
        ..said.report(&update.external_id)
    })
}

/// Notes on the job which message a report moved on, and that it did.
pub(super) fn note_moved(message: &Message) {
    note(Subject::Conversation, message.conversation_id);
    note(Subject::Message, message.id);
    tracing::debug!(status = %message.status, "a report moved a message on");
}

/// Does what follows from a report that moved a message on: what the failure says about the channel
/// is noted, and a message that may go after all is sent again.
async fn follow(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    message: &Message,
    first: bool,
) -> Result<(), Failure> {
    note_moved(message);
    let code = message.error_code;
    let mut class = None;
    if let Some(code) = code.filter(|_| message.status == MessageStatus::Failed) {
        let why = message.error.as_deref().unwrap_or_default();
        class = health::note_code(assistant, tx, channel, code, why).await?;
        if deliver::send_again(assistant, tx, channel, message, code).await? {
            return Ok(());
        }
    }
    announce(assistant, tx, message, first).await?;
    if class == Some(SendClass::OptedOut) {
        people::heed_operator(assistant, tx, message.conversation_id).await?;
    }
    Ok(())
}

/// Applies a report. One of a message that is not known yet holds the lock under which the message's
/// id is noted: until it is parked, nobody learns that id.
async fn report(tx: &mut TenantTx, channel: ChannelId, new: &NewReport<'_>) -> db::Result<Report> {
    let by_its_id = NewReport {
        tag: None,
        ..new.clone()
    };
    match messages::apply_report(tx, channel, &by_its_id).await? {
        Report::UnknownMessage => {
            parked_statuses::lock(tx, channel, new.external_id).await?;
            messages::apply_report(tx, channel, new).await
        }
        known => Ok(known),
    }
}

/// Moves every message on that a receipt covers.
async fn apply_receipt(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: ChannelId,
    receipt: &Receipt,
) -> Result<RawOutcome, Failure> {
    let contact = contacts::find(tx, channel, &receipt.contact_external_id).await?;
    let Some(contact) = contact else {
        return Ok(RawOutcome::Ignored);
    };
    // Those it names first, in one order for all, as any other report: one that is not known waits.
    let mut named = receipt.external_ids.clone();
    named.sort_unstable();
    for external_id in &named {
        parked_statuses::lock(tx, channel, external_id).await?;
        apply_named(assistant, tx, channel, external_id, receipt).await?;
    }
    if let Some(up_to) = receipt.up_to {
        let moved = messages::apply_receipt(tx, channel, contact, receipt.status, up_to).await?;
        for id in moved {
            let message = messages::get(tx, id).await?;
            note_moved(&message);
            announce(assistant, tx, &message, false).await?;
        }
    }
    Ok(RawOutcome::Done)
}

async fn apply_named(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
    receipt: &Receipt,
) -> Result<(), Failure> {
    let said = ParkedStatus::from(receipt);
    match messages::apply_report(tx, channel, &said.report(external_id)).await? {
        Report::Moved { message, first } => {
            note_moved(&message);
            announce(assistant, tx, &message, first).await?;
        }
        Report::NoChange(id) => note(Subject::Message, id),
        Report::UnknownMessage => {
            parked_statuses::park(tx, channel, external_id, &said).await?;
        }
    }
    Ok(())
}

/// A message that moved on, and whether it was sent with that.
pub(super) type Moved = (Box<Message>, bool);

/// Applies a report that waited for its message; `None`: it says nothing new.
pub(super) async fn move_on(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
    parked: &ParkedStatus,
) -> db::Result<Option<Moved>> {
    let applied = messages::apply_report(tx, channel, &parked.report(external_id)).await?;
    Ok(match applied {
        Report::Moved { message, first } => Some((message, first)),
        Report::NoChange(_) | Report::UnknownMessage => None,
    })
}

/// Applies the reports that came before their message had its id.
pub(crate) async fn apply_parked(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    external_id: &str,
) -> Result<(), Failure> {
    for parked in parked_statuses::take(tx, channel.id, external_id).await? {
        // What follows from one stands before the next is looked at: it may be sent again.
        if let Some((message, first)) = move_on(tx, channel.id, external_id, &parked).await? {
            follow(assistant, tx, channel, &message, first).await?;
        }
    }
    Ok(())
}

/// Tells integrators and open windows that a message moved on; `first`: that it was sent at all.
pub(crate) async fn announce(
    assistant: &Assistant,
    tx: &mut TenantTx,
    message: &Message,
    first: bool,
) -> Result<(), Failure> {
    people::tell(assistant, tx, &happened(message, first))
        .await
        .map_err(Failure::retry)?;
    show(tx, message);
    Ok(())
}

/// What integrators are told of a message that moved on.
pub(super) fn happened(message: &Message, first: bool) -> Vec<Event> {
    let data = MessageData::of(message);
    let mut happened = Vec::with_capacity(2);
    if first && message.status != MessageStatus::Failed {
        happened.push(Event::MessageSent(data.clone()));
    }
    match message.status {
        MessageStatus::Failed => happened.push(Event::MessageFailed(data)),
        MessageStatus::Delivered => happened.push(Event::MessageDelivered(data)),
        MessageStatus::Read => happened.push(Event::MessageRead(data)),
        _ => {}
    }
    happened
}

/// Shows open windows that a message moved on.
pub(super) fn show(tx: &mut TenantTx, message: &Message) {
    let shown = LiveEvent {
        conversation_id: message.conversation_id,
        body: LiveBody::Status {
            message_id: message.id,
            seq: message.seq,
            status: message.status,
        },
    };
    live::publish(tx, &shown);
}

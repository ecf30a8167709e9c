use channels::channel;
use db::TenantTx;
use domain::{ChannelId, Inbound, MessageId, MessageStatus, RawOutcome, StatusUpdate};
use events::{Event, MessageData};
use fail::fail_point;
use jobs::kinds::ChannelStatus;
use jobs::{DeadJob, Failure, JobHandle};
use live::{LiveBody, LiveEvent};
use store::messages::{self, Report};
use store::parked_statuses::{self, ParkedStatus};
use store::raw_items;

use super::message::fail_item;
use crate::{Assistant, people};

/// Applies what a channel reported about a message of ours.
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
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let raw = raw_items::get(&mut tx, job.raw_item_id, job.received_at).await?;
    let (Some(payload), Some(channel_id)) = (&raw.payload, raw.channel_id) else {
        return Err(Failure::dead("the raw item names no channel"));
    };
    let update = match channel(raw.channel_kind).decode(payload) {
        Ok(Inbound::Status(update)) => update,
        Ok(_) => return Err(Failure::dead("the raw item is no status")),
        Err(unreadable) => return Err(Failure::dead(unreadable.reason)),
    };
    apply_update(assistant, &mut tx, channel_id, &update).await?;
    raw_items::settle(&mut tx, raw.id, raw.received_at, RawOutcome::Done, None).await?;
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
    channel: ChannelId,
    update: &StatusUpdate,
) -> Result<(), Failure> {
    let report = messages::apply_report(
        tx,
        channel,
        &update.external_id,
        update.tag.as_deref(),
        update.status,
        update.error.as_deref(),
        update.occurred_at,
    )
    .await?;
    match report {
        Report::UnknownMessage => {
            let parked = ParkedStatus {
                status: update.status,
                error: update.error.clone(),
                occurred_at: update.occurred_at,
            };
            parked_statuses::park(tx, channel, &update.external_id, &parked).await?;
        }
        Report::NoChange(_) => {}
        Report::Moved { id, first } => announce(assistant, tx, id, first).await?,
    }
    Ok(())
}

/// Applies the reports that came before their message had its id.
pub(crate) async fn apply_parked(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
) -> Result<(), Failure> {
    for parked in parked_statuses::take(tx, channel, external_id).await? {
        let report = messages::apply_report(
            tx,
            channel,
            external_id,
            None,
            parked.status,
            parked.error.as_deref(),
            parked.occurred_at,
        )
        .await?;
        if let Report::Moved { id, first } = report {
            announce(assistant, tx, id, first).await?;
        }
    }
    Ok(())
}

/// Tells integrators and open windows that a message moved on; `first`: that it was sent at all.
pub(crate) async fn announce(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: MessageId,
    first: bool,
) -> Result<(), Failure> {
    let message = messages::get(tx, id).await?;
    let data = MessageData::of(&message);
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
    people::tell(assistant, tx, &happened)
        .await
        .map_err(Failure::retry)?;
    let shown = LiveEvent {
        conversation_id: message.conversation_id,
        body: LiveBody::Status {
            message_id: id,
            seq: message.seq,
            status: message.status,
        },
    };
    live::publish(tx, &shown);
    Ok(())
}

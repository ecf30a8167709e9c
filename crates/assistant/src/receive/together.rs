//! Several reports of one tenant's channels in one transaction.

use std::collections::BTreeMap;

use channels::channel as adapter;
use db::TenantTx;
use domain::{Inbound, MessageStatus, RawOutcome, StatusUpdate};
use fail::fail_point;
use jobs::kinds::ChannelStatus;
use jobs::{Failure, JobHandle};
use store::channels::Channel;
use store::messages::{self, Report};
use store::parked_statuses::{self, ParkedStatus};
use store::raw_items;
use telemetry::trace::{Subject, apart, note};

use super::status::{Moved, happened, move_on, note_moved, priced, show};
use crate::{Assistant, people};

/// A job's report, and where the job stands among the others.
struct Reported {
    at: usize,
    channel: Channel,
    update: StatusUpdate,
}

/// Applies the reports that only move a message on, together. `None`: that one is better applied
/// alone.
///
/// # Errors
/// What stopped all of them, and is better found out by each; then nothing is applied.
pub async fn apply_together(
    assistant: &Assistant,
    jobs: &[(&JobHandle, &ChannelStatus)],
) -> Result<Vec<Option<Result<(), Failure>>>, Failure> {
    let Some((_, first)) = jobs.first() else {
        return Ok(Vec::new());
    };
    note(Subject::Tenant, first.tenant_id);
    let mut tx = assistant.db.tenant_by_keys(first.tenant_id).await?;
    let mut reports = Vec::with_capacity(jobs.len());
    let handles: Vec<&JobHandle> = jobs.iter().map(|(handle, _)| *handle).collect();
    JobHandle::fence_all(&handles, &mut tx).await?;
    for (at, (_, job)) in jobs.iter().enumerate() {
        reports.extend(read(&mut tx, at, job).await?);
    }
    // Everybody who holds several messages takes them in this order.
    reports.sort_by(|a, b| a.update.external_id.cmp(&b.update.external_id));
    let mut results: Vec<_> = jobs.iter().map(|_| None).collect();
    let mut moved = BTreeMap::new();
    for Reported {
        at,
        channel,
        update,
    } in &reports
    {
        let applied = report(&mut tx, channel, update);
        let applied = if jobs.len() == 1 {
            applied.await?
        } else {
            apart(applied).await?
        };
        if let Some(messages) = applied {
            results[*at] = Some(Ok(()));
            moved.insert(*at, messages);
        }
    }
    for ((_, job), result) in jobs.iter().zip(&results) {
        if result.is_none() {
            let (id, at) = (job.raw_item_id, job.received_at);
            raw_items::settle(&mut tx, id, at, RawOutcome::Pending, None).await?;
        }
    }
    // Last, and as they came: events may lock what others wait for.
    let moved: Vec<Moved> = moved.into_values().flatten().collect();
    let happened = moved
        .iter()
        .flat_map(|(message, first)| happened(message, *first));
    let happened: Vec<_> = happened.collect();
    people::tell(assistant, &mut tx, &happened).await?;
    for (message, _) in &moved {
        show(&mut tx, message);
    }
    fail_point!("status.before_commit");
    tx.commit().await?;
    fail_point!("status.after_commit");
    Ok(results)
}

/// The report of a job, if it is one that may only move a message on. What a failure leads to is
/// nothing for a crowd.
async fn read(
    tx: &mut TenantTx,
    at: usize,
    job: &ChannelStatus,
) -> Result<Option<Reported>, Failure> {
    let (payload, channel) = raw_items::take_posted(tx, job.raw_item_id, job.received_at).await?;
    let inbound = payload.map(|payload| adapter(channel.kind).decode(&payload));
    Ok(match inbound {
        Some(Ok(Inbound::Status(update))) if update.status != MessageStatus::Failed => {
            Some(Reported {
                at,
                channel,
                update,
            })
        }
        _ => None,
    })
}

/// Applies one report, and those that waited for its message. `None`: the message is not known by
/// that id.
async fn report(
    tx: &mut TenantTx,
    channel: &Channel,
    update: &StatusUpdate,
) -> Result<Option<Vec<Moved>>, Failure> {
    let said = ParkedStatus::from(update);
    let mut moved = Vec::new();
    match messages::apply_report(tx, channel.id, &priced(&said, update)?).await? {
        Report::UnknownMessage => return Ok(None),
        Report::NoChange(id) => note(Subject::Message, id),
        Report::Moved { message, first } => {
            note_moved(&message);
            moved.push((message, first));
            if first {
                moved.extend(take_parked(tx, channel, &update.external_id).await?);
            }
        }
    }
    Ok(Some(moved))
}

async fn take_parked(
    tx: &mut TenantTx,
    channel: &Channel,
    external_id: &str,
) -> Result<Vec<Moved>, Failure> {
    let mut moved = Vec::new();
    for parked in parked_statuses::take(tx, channel.id, external_id).await? {
        if parked.status == MessageStatus::Failed {
            return Err(Failure::retry(NotTogether));
        }
        moved.extend(move_on(tx, channel.id, external_id, &parked).await?);
    }
    Ok(moved)
}

#[derive(Debug, thiserror::Error)]
#[error("a failure waited for its message")]
struct NotTogether;

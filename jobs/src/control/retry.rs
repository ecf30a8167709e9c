use std::collections::BTreeMap;

use db::Tx;
use domain::TenantId;

use super::redrive::redrive;
use super::tally::Tally;
use super::{ControlError, Result, whereabouts};
use crate::counters::Place;
use crate::inspect::limit_time;
use crate::signal::{self, Word};

/// Runs a job without further waiting: one that waits for its time at once, a dead one from the
/// start.
///
/// # Errors
/// `NotFound`, with `tenant` for another's job too; `Conflict` for a job in any other state.
pub async fn retry(tx: &mut impl Tx, id: i64, tenant: Option<TenantId>) -> Result<()> {
    limit_time(tx).await?;
    let found: Option<(i16, bool)> = sqlx::query_as(
        "SELECT state, cancel_requested_at IS NOT NULL FROM jobs
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2) FOR UPDATE",
    )
    .bind(id)
    .bind(tenant.map(TenantId::as_uuid))
    .fetch_optional(tx.conn())
    .await?;
    let (code, reason) = match found {
        None => return redrive_or_say_why(tx, id, tenant).await,
        Some((1, false)) => return make_ready(tx, &[id]).await,
        Some((_, true)) => ("job_cancelling", "The job is being cancelled."),
        Some((0, _)) => ("job_ready", "The job waits for a slot already."),
        Some((2, _)) => (
            "job_held",
            "The job waits behind another one of its ordering key.",
        ),
        Some(_) => ("job_running", "The job runs at this moment."),
    };
    Err(ControlError::conflict(code, reason))
}

async fn redrive_or_say_why(tx: &mut impl Tx, id: i64, tenant: Option<TenantId>) -> Result<()> {
    match whereabouts(tx, id, tenant).await? {
        ControlError::Conflict {
            code: "job_dead", ..
        } => redrive(tx, id, tenant).await,
        other => Err(other),
    }
}

/// Makes those of a batch ready that wait for their time and nobody holds; says which.
pub(super) async fn retry_batch(tx: &mut impl Tx, ids: &[i64]) -> Result<Vec<i64>> {
    let free: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM jobs
         WHERE id = ANY($1) AND state = 1 AND cancel_requested_at IS NULL
         ORDER BY id FOR UPDATE SKIP LOCKED",
    )
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    make_ready(tx, &free).await?;
    Ok(free)
}

/// Makes scheduled jobs ready whose rows are locked.
async fn make_ready(tx: &mut impl Tx, ids: &[i64]) -> Result<()> {
    let ready: Vec<(i64, i64, String)> = sqlx::query_as(
        "UPDATE jobs SET state = 0, run_at = now() WHERE id = ANY($1) AND state = 1
         RETURNING flow, id, kind",
    )
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    let mut tally = Tally::default();
    for (_, _, kind) in &ready {
        tally.left(kind, Place::Scheduled);
        tally.came(kind, Place::Ready);
    }
    say_ready(tx, ready.into_iter().map(|(flow, id, _)| (flow, id)));
    Ok(tally.write(tx.conn()).await?)
}

/// Says of each flow from where on it has ready jobs.
pub(super) fn say_ready(tx: &mut impl Tx, ready: impl Iterator<Item = (i64, i64)>) {
    let mut flows: BTreeMap<i64, i64> = BTreeMap::new();
    for (flow, id) in ready {
        flows
            .entry(flow)
            .and_modify(|first| *first = id.min(*first))
            .or_insert(id);
    }
    if !flows.is_empty() {
        let words = flows.into_iter().map(|(flow, id)| Word::Flow { flow, id });
        tx.signal_after_commit(signal::say(words));
    }
}

use db::Tx;
use domain::TenantId;

use super::retry::say_ready;
use super::tally::Tally;
use super::{ControlError, Result, whereabouts};
use crate::counters::Place;
use crate::inspect::limit_time;

/// Runs a dead job again under its number, from its first attempt, at the end of its ordering key.
/// It has neither unique key nor deadline any more. What its kind did about its death stays done.
///
/// # Errors
/// `NotFound`, with `tenant` for another's job too; `Conflict` for a job that is not dead.
pub async fn redrive(tx: &mut impl Tx, id: i64, tenant: Option<TenantId>) -> Result<()> {
    limit_time(tx).await?;
    let dead: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM dead_jobs
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2) FOR UPDATE",
    )
    .bind(id)
    .bind(tenant.map(TenantId::as_uuid))
    .fetch_optional(tx.conn())
    .await?;
    if dead.is_some() {
        return revive(tx, &[id]).await;
    }
    let live: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM jobs WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)",
    )
    .bind(id)
    .bind(tenant.map(TenantId::as_uuid))
    .fetch_optional(tx.conn())
    .await?;
    if live.is_some() {
        let reason = "The job is not dead: it waits or runs.";
        return Err(ControlError::conflict("job_not_dead", reason));
    }
    Err(whereabouts(tx, id, tenant).await?)
}

/// Revives those of a batch that nobody else revives; says which.
pub(super) async fn redrive_batch(tx: &mut impl Tx, ids: &[i64]) -> Result<Vec<i64>> {
    let free: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM dead_jobs WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED",
    )
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    revive(tx, &free).await?;
    Ok(free)
}

/// Moves dead jobs back. Keys are taken in order, as many places at once as a key gets jobs, and
/// jobs of one key stand in the order of their numbers.
///
/// Claims begin anywhere: a handler of the job's life before may still have a hold on one, and must
/// not take it for one of this life.
const REVIVE: &str = "
    WITH gone AS (
        DELETE FROM dead_jobs WHERE id = ANY($1) RETURNING *
    ), numbered AS (
        SELECT *, row_number() OVER key AS nth, count(*) OVER (PARTITION BY kind, ordering_key) AS n
        FROM gone WINDOW key AS (PARTITION BY kind, ordering_key ORDER BY id)
    ), places AS (
        INSERT INTO job_keys AS k (kind, key, last_seq)
        SELECT kind, ordering_key, count(*) FROM gone
        WHERE ordering_key IS NOT NULL GROUP BY kind, ordering_key
        ORDER BY kind COLLATE \"C\", ordering_key COLLATE \"C\"
        ON CONFLICT (kind, key) DO UPDATE SET last_seq = k.last_seq + excluded.last_seq
        RETURNING kind, key, last_seq
    )
    INSERT INTO jobs (id, kind, lane, state, priority, claims, max_attempts, tenant_id, run_at,
                      created_at, payload, ordering_key, ordering_seq, limit_key_1, limit_key_2,
                      last_error, traceparent)
        OVERRIDING SYSTEM VALUE
    SELECT d.id, d.kind, d.lane,
           CASE WHEN d.ordering_key IS NULL OR (p.last_seq = d.n AND d.nth = 1) THEN 0 ELSE 2 END,
           d.priority, (random() * 1000000000)::integer, d.max_attempts, d.tenant_id, now(),
           d.created_at, d.payload, d.ordering_key, p.last_seq - d.n + d.nth,
           d.limit_key_1, d.limit_key_2, d.reason, d.traceparent
    FROM numbered AS d
    LEFT JOIN places AS p ON p.kind = d.kind AND p.key = d.ordering_key
    RETURNING flow, id, kind, state";

async fn revive(tx: &mut impl Tx, ids: &[i64]) -> Result<()> {
    let revived: Vec<(i64, i64, String, i16)> = sqlx::query_as(REVIVE)
        .bind(ids)
        .fetch_all(tx.conn())
        .await?;
    let mut tally = Tally::default();
    for (_, _, kind, state) in &revived {
        tally.left(kind, Place::Dead);
        tally.came(kind, Place::of_state(*state));
    }
    let ready = revived.iter().filter(|(.., state)| *state == 0);
    say_ready(tx, ready.map(|(flow, id, ..)| (*flow, *id)));
    Ok(tally.write(tx.conn()).await?)
}

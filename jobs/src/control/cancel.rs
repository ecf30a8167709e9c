use std::collections::BTreeMap;

use db::Tx;
use domain::TenantId;
use sqlx::{FromRow, PgConnection};

use super::tally::Tally;
use super::{Result, whereabouts};
use crate::counters::Place;
use crate::inspect::limit_time;
use crate::keys::{self, Key};
use crate::signal::{self, Word};

/// What became of a job that was to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is in the history.
    Ended,
    /// It runs: its worker is told.
    Requested,
}

/// A waiting job to be cancelled.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Waiting {
    id: i64,
    kind: String,
    state: i16,
    ordering_key: Option<String>,
}

/// Cancels a job: one that waits ends, with its unique key and its place in its ordering key; the
/// worker of one that runs is told.
///
/// # Errors
/// `NotFound`, with `tenant` for another's job too; `Conflict` for a job that has ended.
pub async fn cancel(
    tx: &mut impl Tx,
    id: i64,
    tenant: Option<TenantId>,
    reason: &str,
) -> Result<Cancelled> {
    limit_time(tx).await?;
    // A held job can be promoted before its key is locked; a promoted one never goes back.
    for _ in 0..2 {
        match look(tx.conn(), id, tenant).await? {
            None => return Err(whereabouts(tx, id, tenant).await?),
            Some(held) if held.state == 2 => {
                if end_held(tx, held, reason).await? {
                    return Ok(Cancelled::Ended);
                }
            }
            Some(_) => return end_head(tx, id, tenant, reason).await,
        }
    }
    end_head(tx, id, tenant, reason).await
}

async fn look(
    conn: &mut PgConnection,
    id: i64,
    tenant: Option<TenantId>,
) -> Result<Option<Waiting>> {
    Ok(sqlx::query_as(
        "SELECT id, kind, state, ordering_key FROM jobs
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)",
    )
    .bind(id)
    .bind(tenant.map(TenantId::as_uuid))
    .fetch_optional(conn)
    .await?)
}

/// Ends a held job. False: it was promoted meanwhile.
///
/// Its key is locked before its row, as by whoever ends the key. If the job was promoted the key is
/// let go again, since heads are locked before keys.
async fn end_held(tx: &mut impl Tx, job: Waiting, reason: &str) -> Result<bool> {
    sqlx::query("SAVEPOINT before_key")
        .execute(tx.conn())
        .await?;
    let keys: Vec<Key> = key_of(&job).into_iter().collect();
    keys::lock(tx.conn(), &keys).await?;
    let locked: Option<i64> =
        sqlx::query_scalar("SELECT id FROM jobs WHERE id = $1 AND state = 2 FOR UPDATE")
            .bind(job.id)
            .fetch_optional(tx.conn())
            .await?;
    if locked.is_none() {
        sqlx::query("ROLLBACK TO SAVEPOINT before_key")
            .execute(tx.conn())
            .await?;
        return Ok(false);
    }
    end(tx, &[job], reason).await?;
    Ok(true)
}

async fn end_head(
    tx: &mut impl Tx,
    id: i64,
    tenant: Option<TenantId>,
    reason: &str,
) -> Result<Cancelled> {
    let job: Option<Waiting> = sqlx::query_as(
        "SELECT id, kind, state, ordering_key FROM jobs
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND state <> 2 FOR UPDATE",
    )
    .bind(id)
    .bind(tenant.map(TenantId::as_uuid))
    .fetch_optional(tx.conn())
    .await?;
    match job {
        None => Err(whereabouts(tx, id, tenant).await?),
        Some(job) if job.state == 3 => {
            request(tx, id).await?;
            Ok(Cancelled::Requested)
        }
        Some(job) => {
            end(tx, &[job], reason).await?;
            Ok(Cancelled::Ended)
        }
    }
}

async fn request(tx: &mut impl Tx, id: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1",
    )
    .bind(id)
    .execute(tx.conn())
    .await?;
    tx.signal_after_commit(signal::say([Word::Cancel(id)]));
    Ok(())
}

/// Ends waiting jobs whose rows are locked: moves them to the history and takes them off their keys.
async fn end(tx: &mut impl Tx, jobs: &[Waiting], reason: &str) -> Result<()> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    sqlx::query(
        "WITH gone AS (DELETE FROM jobs WHERE id = ANY($1) RETURNING *)
         INSERT INTO job_history (id, kind, lane, tenant_id, outcome, attempt, max_attempts,
                                  created_at, claimed_at, ordering_key, payload, run_at, priority,
                                  limit_key_1, limit_key_2, traceparent, reason)
         SELECT id, kind, lane, tenant_id, 'cancelled', attempt, max_attempts,
                created_at, claimed_at, ordering_key, payload, run_at, priority,
                limit_key_1, limit_key_2, traceparent, $2
         FROM gone",
    )
    .bind(ids)
    .bind(reason)
    .execute(tx.conn())
    .await?;
    let mut tally = Tally::default();
    for job in jobs {
        tally.left(&job.kind, Place::of_state(job.state));
        tally.cancelled(&job.kind);
    }
    leave_keys(tx, jobs, &mut tally).await?;
    Ok(tally.write(tx.conn()).await?)
}

/// Takes ended jobs off their keys: a head lets the next one go, a held one was only in the line.
async fn leave_keys(tx: &mut impl Tx, jobs: &[Waiting], tally: &mut Tally) -> Result<()> {
    let mut heads: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.state != 2) {
        heads
            .entry(job.kind.as_str())
            .or_default()
            .extend(key_of(job));
    }
    for (kind, keys) in heads {
        let promoted = keys::release(tx.conn(), &keys).await?;
        for head in promoted.heads() {
            let place = if head.is_ready {
                Place::Ready
            } else {
                Place::Scheduled
            };
            tally.left(kind, Place::Held);
            tally.came(kind, place);
        }
        let words = promoted.words();
        if !words.is_empty() {
            tx.signal_after_commit(signal::say(words));
        }
    }
    Ok(())
}

/// Cancels those of a batch that can be cancelled without waiting for anybody but holders of keys;
/// says which.
///
/// Heads, then keys, then held jobs: the order in which whoever finishes a job locks.
pub(super) async fn cancel_batch(tx: &mut impl Tx, ids: &[i64], reason: &str) -> Result<Vec<i64>> {
    const FREE: &str = "
        SELECT id, kind, state, ordering_key FROM jobs
        WHERE id = ANY($1) AND state IN (0, 1) ORDER BY id FOR UPDATE SKIP LOCKED";
    const HELD: &str = "
        SELECT id, kind, state, ordering_key FROM jobs WHERE id = ANY($1) AND state = 2";
    let mut jobs = waiting(tx, FREE, ids).await?;
    let held = waiting(tx, HELD, ids).await?;
    let keys: Vec<Key> = jobs.iter().chain(&held).filter_map(key_of).collect();
    keys::lock(tx.conn(), &keys).await?;
    let held: Vec<i64> = held.iter().map(|job| job.id).collect();
    let locked = format!("{HELD} ORDER BY id FOR UPDATE SKIP LOCKED");
    jobs.extend(waiting(tx, sqlx::AssertSqlSafe(locked), &held).await?);
    end(tx, &jobs, reason).await?;
    let asked: Vec<i64> = sqlx::query_scalar(
        "UPDATE jobs SET cancel_requested_at = now()
         WHERE id = ANY(ARRAY(
             SELECT id FROM jobs
             WHERE id = ANY($1) AND state = 3 AND cancel_requested_at IS NULL
             ORDER BY id FOR UPDATE SKIP LOCKED))
         RETURNING id",
    )
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    // No look makes good for a cancel that was not told before the next heartbeat.
    for signal in signal::say_all(asked.iter().copied().map(Word::Cancel)) {
        tx.signal_after_commit(signal);
    }
    Ok(jobs.into_iter().map(|job| job.id).chain(asked).collect())
}

async fn waiting(
    tx: &mut impl Tx,
    statement: impl sqlx::SqlSafeStr,
    ids: &[i64],
) -> Result<Vec<Waiting>> {
    let query = sqlx::query_as(statement).bind(ids);
    Ok(query.fetch_all(tx.conn()).await?)
}

fn key_of(job: &Waiting) -> Option<Key> {
    let key = job.ordering_key.clone()?;
    Some((job.kind.clone(), key))
}

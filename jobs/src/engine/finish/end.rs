use db::Result;

use super::{Ended, Outcome, is_fenced, note_ended};
use crate::engine::{Shared, limits};
use crate::signal::Word;
use crate::{keys, signal};

/// Moves ended jobs to the history, and lets go of ordering keys of which they were the last: nobody
/// has taken a place behind them. A statement that was committed before its answer got lost
/// finds nothing to move, which is right.
///
/// The CASE hides the fence from the planner. Its statistics know of hardly any running job, so
/// that it would read them all first and compare each with every outcome: seconds for a thousand
/// of them. Rows are found by id alone; that there is a session means that the job is running.
macro_rules! end_sql {
    ($fence:literal, $select:literal) => {
        concat!(
            "WITH ended AS (
                 SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[])
                     AS e(id, claims, reason)
             ), gone AS (
                 DELETE FROM jobs AS j USING ended AS e
                 WHERE j.id = ANY($1) AND j.id = e.id AND ",
            $fence,
            "
                 RETURNING j.id, j.kind, j.lane, j.tenant_id,
                           CASE WHEN e.reason IS NULL THEN 'done' ELSE 'cancelled' END AS outcome,
                           j.attempt, j.max_attempts, j.created_at, j.claimed_at, j.ordering_key,
                           j.payload, j.run_at, j.session_id, j.priority, j.limit_key_1,
                           j.limit_key_2, j.traceparent, e.reason, j.ordering_seq
             ), kept AS (
                 INSERT INTO job_history (id, kind, lane, tenant_id, outcome, attempt, max_attempts,
                                          created_at, claimed_at, ordering_key, payload, run_at,
                                          session_id, priority, limit_key_1, limit_key_2,
                                          traceparent, reason)
                 SELECT id, kind, lane, tenant_id, outcome, attempt, max_attempts, created_at,
                        claimed_at, ordering_key, payload, run_at, session_id, priority,
                        limit_key_1, limit_key_2, traceparent, reason
                 FROM gone
             )",
            $select
        )
    };
}

/// Who ended a job that holds no key.
macro_rules! end_free_sql {
    ($fence:literal) => {
        end_sql!($fence, " SELECT id, false AS is_key_ended FROM gone")
    };
}

/// The same, and which keys ended with it. A key whose row is locked is waited for: whoever holds it
/// takes a place behind, and then the key does not end.
macro_rules! end_keyed_sql {
    ($fence:literal) => {
        end_sql!(
            $fence,
            ", ended_keys AS (
                 DELETE FROM job_keys WHERE ctid = ANY(ARRAY(
                     SELECT last.ctid FROM gone AS g CROSS JOIN LATERAL (
                         SELECT k.ctid FROM job_keys AS k
                         WHERE k.kind = g.kind AND k.key = g.ordering_key
                           AND k.last_seq = g.ordering_seq
                         FOR UPDATE
                     ) AS last
                     WHERE g.ordering_key IS NOT NULL))
                 RETURNING kind, key
             )
             SELECT g.id, k.key IS NOT NULL AS is_key_ended
             FROM gone AS g LEFT JOIN ended_keys AS k ON k.kind = g.kind AND k.key = g.ordering_key"
        )
    };
}

pub(in crate::engine) const END: &str =
    end_free_sql!("CASE WHEN j.session_id = $4 THEN j.claims = e.claims ELSE false END");
pub(in crate::engine) const END_KEYED: &str =
    end_keyed_sql!("CASE WHEN j.session_id = $4 THEN j.claims = e.claims ELSE false END");
/// What must never run: whoever lost the lease ends the job all the same.
const UNFENCED: &str = end_free_sql!("$4::bigint IS NOT NULL");
const UNFENCED_KEYED: &str = end_keyed_sql!("$4::bigint IS NOT NULL");

/// A job that ended.
#[derive(sqlx::FromRow)]
struct Gone {
    id: i64,
    /// Its ordering key ended with it.
    is_key_ended: bool,
}

/// Ends jobs; returns those that this process still held, by id.
async fn end<'e, E>(
    shared: &Shared,
    executor: E,
    batch: &[Ended],
    sql: &'static str,
) -> Result<Vec<Gone>>
where
    E: sqlx::PgExecutor<'e>,
{
    let ids: Vec<i64> = batch.iter().map(|ended| ended.job.id).collect();
    let claims: Vec<i32> = batch.iter().map(|ended| ended.job.claim).collect();
    let reasons: Vec<Option<&str>> = batch
        .iter()
        .map(|ended| match &ended.outcome {
            Outcome::Cancelled { reason } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    let mut gone: Vec<Gone> = sqlx::query_as(sql)
        .bind(ids)
        .bind(claims)
        .bind(reasons)
        .bind(shared.session.id)
        .fetch_all(executor)
        .await?;
    gone.sort_unstable_by_key(|gone| gone.id);
    for Ended { job, outcome, .. } in batch {
        if let Outcome::Cancelled { reason } = outcome {
            tracing::info!(job.id = job.id, job.kind = %job.kind, %reason, "a job was cancelled");
        }
    }
    Ok(gone)
}

/// Ends jobs that hold nothing.
pub(super) async fn free(shared: &Shared, batch: &[Ended]) -> Result<()> {
    let sql = if is_fenced() { END } else { UNFENCED };
    let gone = end(shared, shared.db.fixed(), batch, sql).await?;
    note_ended(shared, batch, &ids(&gone));
    Ok(())
}

/// Ends jobs that hold ordering keys or are counted by limits, and lets both go.
pub(super) async fn held(shared: &Shared, batch: &[Ended]) -> Result<()> {
    let mut tx = shared.db.begin_fixed().await?;
    let sql = if is_fenced() {
        END_KEYED
    } else {
        UNFENCED_KEYED
    };
    let gone = end(shared, &mut *tx, batch, sql).await?;
    let mut freed = Vec::new();
    let mut permits = Vec::new();
    for Ended { job, .. } in batch {
        let Ok(at) = gone.binary_search_by_key(&job.id, |gone| gone.id) else {
            continue;
        };
        if let Some(key) = &job.ordering_key
            && gone.get(at).is_some_and(|gone| !gone.is_key_ended)
        {
            freed.push((job.kind.to_owned(), key.clone()));
        }
        permits.extend_from_slice(&job.permits);
    }
    let promoted = keys::release(&mut tx, &freed).await?;
    // Claims hold it while they have limits locked, and wait for nothing then.
    let _gate = if permits.is_empty() {
        None
    } else {
        Some(shared.limits_gate.lock().await)
    };
    limits::release(&mut tx, &permits).await?;
    tx.commit().await?;
    note_ended(shared, batch, &ids(&gone));
    shared.notes.promoted(&promoted);
    let mut words = promoted.words();
    permits.sort_unstable();
    permits.dedup();
    words.extend(permits.into_iter().map(Word::Room));
    if !words.is_empty() {
        shared.db.signal(signal::say(words));
    }
    Ok(())
}

fn ids(gone: &[Gone]) -> Vec<i64> {
    gone.iter().map(|gone| gone.id).collect()
}

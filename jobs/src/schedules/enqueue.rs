use chrono::{DateTime, Utc};
use db::{Result, SystemTx, Tx as _};

use super::Kind;
use crate::Enqueued;
use crate::counters::{self, Place};
use crate::signal::{self, Word};

/// Enqueues a job for each tick; says how many came to be. The unique key is a second net: the
/// first is that whoever enqueues a tick's job moves the schedule on in the same transaction.
pub(super) async fn ticks(
    tx: &mut SystemTx,
    kind: &Kind,
    name: &str,
    payload: &str,
    ticks: &[DateTime<Utc>],
) -> Result<usize> {
    let keys: Vec<String> = ticks
        .iter()
        .map(|tick| format!("tick:{name}:{}", tick.timestamp()))
        .collect();
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, unique_key, run_at)
         SELECT $1, $2, 0, $3, $4::jsonb, unique_key, run_at
         FROM unnest($5::text[], $6::timestamptz[]) AS t(unique_key, run_at)
         ORDER BY run_at
         ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
         RETURNING flow, id",
    )
    .bind(kind.name)
    .bind(kind.lane.number())
    .bind(kind.max_attempts)
    .bind(payload)
    .bind(keys)
    .bind(ticks)
    .fetch_all(tx.conn())
    .await?;
    note(tx, kind, &rows);
    Ok(rows.len())
}

/// Enqueues a job outside of the ticks; while one still waits to begin, that one is meant.
pub(super) async fn once(
    tx: &mut SystemTx,
    kind: &Kind,
    name: &str,
    payload: &str,
) -> Result<Enqueued> {
    let (flow, id, inserted): (i64, i64, bool) = sqlx::query_as(
        "INSERT INTO jobs AS j (kind, lane, state, max_attempts, payload, unique_key,
                                unique_until_started)
         VALUES ($1, $2, 0, $3, $4::jsonb, 'now:' || $5, true)
         ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL
             DO UPDATE SET unique_key = j.unique_key
         RETURNING flow, id, xmax = 0",
    )
    .bind(kind.name)
    .bind(kind.lane.number())
    .bind(kind.max_attempts)
    .bind(payload)
    .bind(name)
    .fetch_one(tx.conn())
    .await?;
    if inserted {
        note(tx, kind, &[(flow, id)]);
    }
    Ok(Enqueued {
        id,
        duplicate: !inserted,
    })
}

/// Counts what was enqueued and wakes a worker, both after commit. All of it is one flow.
fn note(tx: &mut SystemTx, kind: &Kind, rows: &[(i64, i64)]) {
    let Some(&(flow, id)) = rows.iter().min_by_key(|(_, id)| *id) else {
        return;
    };
    let jobs = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    counters::enqueued(tx, kind.name, Place::Ready, jobs);
    tx.signal_after_commit(signal::say([Word::Flow { flow, id }]));
}

use std::time::Duration;

use chrono::{DateTime, Utc};
use db::{Db, Result, SystemTx, Tx as _};
use sqlx::FromRow;

use super::{CatchUp, Kind, Spec, enqueue, now};

/// The most schedules that one look takes.
const BATCH: i64 = 100;

/// What one look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Ticks that were due and had to have a job.
    pub ticks: usize,
    /// Jobs that came to be: as many, unless the unique key of a tick was there already.
    pub enqueued: usize,
    /// Whether there is more to catch up on at once.
    pub is_more: bool,
}

#[derive(FromRow)]
struct Row {
    name: String,
    kind: String,
    spec: String,
    catch_up: String,
    payload: String,
    next_at: DateTime<Utc>,
}

/// Looks once for schedules of the given kinds that are due, enqueues the jobs of their ticks and
/// moves them on, all in one transaction. Schedules that somebody else looks at are left to them.
///
/// # Errors
/// Those of the database; then nothing happened.
pub async fn look(db: &Db, kinds: &[Kind]) -> Result<Looked> {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let mut tx = db.system().await?;
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT name, kind, spec, catch_up, payload::text AS payload, next_at
         FROM job_schedules
         WHERE next_at <= now() AND NOT paused AND kind = ANY($1)
         ORDER BY next_at LIMIT $2
         FOR UPDATE SKIP LOCKED",
    )
    .bind(names)
    .bind(BATCH)
    .fetch_all(tx.conn())
    .await?;
    let mut looked = Looked::default();
    if rows.is_empty() {
        return Ok(looked);
    }
    let now = now(&mut tx).await?;
    let mut moved = 0;
    for row in rows {
        if let Some(kind) = Kind::find(kinds, &row.kind)
            && come_due(&mut tx, kind, &row, now, &mut looked).await?
        {
            moved += 1;
        }
    }
    tx.commit().await?;
    looked.is_more |= moved == BATCH;
    Ok(looked)
}

/// Enqueues the jobs of a schedule's ticks and moves it on; false: it is not understood.
async fn come_due(
    tx: &mut SystemTx,
    kind: &Kind,
    row: &Row,
    now: DateTime<Utc>,
    looked: &mut Looked,
) -> Result<bool> {
    let (Ok(spec), Ok(catch_up)) = (row.spec.parse::<Spec>(), row.catch_up.parse::<CatchUp>())
    else {
        // Written by a newer version, which will run it; `list` says so.
        tracing::debug!(name = %row.name, spec = %row.spec, "a schedule is not understood");
        return Ok(false);
    };
    let due = catch_up.due(&spec, row.next_at, now);
    let enqueued = enqueue::ticks(tx, kind, &row.name, &row.payload, &due.ticks).await?;
    sqlx::query(
        "UPDATE job_schedules SET next_at = $2, last_at = coalesce($3, last_at) WHERE name = $1",
    )
    .bind(&row.name)
    .bind(due.next_at)
    .bind(due.ticks.last())
    .execute(tx.conn())
    .await?;
    tracing::debug!(name = %row.name, enqueued, "a schedule was due");
    looked.ticks += due.ticks.len();
    looked.enqueued += enqueued;
    looked.is_more |= due.next_at <= now;
    Ok(true)
}

/// How long it is until the next tick that is not due yet; `None` if there is none.
pub(super) async fn until_next(db: &Db, kinds: &[Kind]) -> Result<Option<Duration>> {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    // What is due by now and still there is somebody else's, or not understood.
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM min(next_at) - clock_timestamp())::float8
         FROM job_schedules WHERE next_at > now() AND NOT paused AND kind = ANY($1)",
    )
    .bind(names)
    .fetch_one(db.pool())
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

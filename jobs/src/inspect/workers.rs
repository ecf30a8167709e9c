use std::time::Duration;

use chrono::{DateTime, Utc};
use db::{Result, Tx};
use domain::{Cursor, Page};
use sqlx::FromRow;

use super::limit_time;
use crate::Lane;

/// How long after its last heartbeat a process counts as alive.
pub(crate) const LIVE: Duration = Duration::from_secs(30);
/// The most processes that are looked at to say why a job waits.
const MOST: i64 = 1000;

/// A process that runs jobs, as of its last heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The number of this process start: its session.
    pub id: i64,
    /// The machine's name.
    pub host: String,
    /// The process's number on that machine.
    pub process_id: i32,
    /// The kinds it knows.
    pub kinds: Vec<String>,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Its last heartbeat.
    pub seen_at: DateTime<Utc>,
    /// Whether that is less than 30 seconds ago.
    pub live: bool,
    /// Leases it lost: it slept, or the database was away.
    pub lost_leases: i64,
    /// Its interactive lane.
    pub interactive: LaneLoad,
    /// Its lane of answers.
    pub answers: LaneLoad,
    /// Its bulk lane.
    pub bulk: LaneLoad,
}

/// How many slots there are, and how many of them are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneLoad {
    /// All slots.
    pub slots: i64,
    /// Those that are taken.
    pub busy: i64,
}

impl Worker {
    pub(super) fn knows(&self, kind: &str) -> bool {
        self.kinds.iter().any(|known| known == kind)
    }

    /// How busy it is in a lane.
    pub(super) const fn load(&self, lane: Lane) -> LaneLoad {
        match lane {
            Lane::Interactive => self.interactive,
            Lane::Answers => self.answers,
            Lane::Bulk => self.bulk,
        }
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    host: String,
    process_id: i32,
    kinds: Vec<String>,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    live: bool,
    lost_leases: i64,
    interactive_slots: i32,
    interactive_busy: i32,
    answers_slots: i32,
    answers_busy: i32,
    bulk_slots: i32,
    bulk_busy: i32,
}

impl From<Row> for Worker {
    fn from(row: Row) -> Self {
        let load = |slots: i32, busy: i32| LaneLoad {
            slots: slots.into(),
            busy: busy.into(),
        };
        Self {
            interactive: load(row.interactive_slots, row.interactive_busy),
            answers: load(row.answers_slots, row.answers_busy),
            bulk: load(row.bulk_slots, row.bulk_busy),
            id: row.id,
            host: row.host,
            process_id: row.process_id,
            kinds: row.kinds,
            started_at: row.started_at,
            seen_at: row.seen_at,
            live: row.live,
            lost_leases: row.lost_leases,
        }
    }
}

/// Lists the processes that run jobs, or did until lately, the latest start first.
///
/// # Errors
/// Those of the database.
pub async fn list_workers(
    tx: &mut impl Tx,
    after: Option<i64>,
    limit: usize,
) -> Result<Page<Worker>> {
    limit_time(tx).await?;
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, host, process_id, kinds, started_at, seen_at, lost_leases, interactive_slots,
                interactive_busy, answers_slots, answers_busy, bulk_slots, bulk_busy,
                seen_at > now() - make_interval(secs => $3) AS live
         FROM worker_sessions WHERE id < coalesce($1, 9223372036854775807)
         ORDER BY id DESC LIMIT $2",
    )
    .bind(after)
    .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
    .bind(LIVE.as_secs_f64())
    .fetch_all(tx.conn())
    .await?;
    let workers = rows.into_iter().map(Worker::from).collect();
    Ok(Page::from_rows(workers, limit, |worker: &Worker| {
        Cursor::after(worker.id)
    }))
}

/// The processes whose heart beats.
pub(super) async fn live(tx: &mut impl Tx) -> Result<Vec<Worker>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, host, process_id, kinds, started_at, seen_at, lost_leases, interactive_slots,
                interactive_busy, answers_slots, answers_busy, bulk_slots, bulk_busy, true AS live
         FROM worker_sessions WHERE seen_at > now() - make_interval(secs => $2)
         ORDER BY id DESC LIMIT $1",
    )
    .bind(MOST)
    .bind(LIVE.as_secs_f64())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Worker::from).collect())
}

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use db::{Result, Tx};
use sqlx::FromRow;

use super::limit_time;
use super::workers::{self, LaneLoad, Worker};
use crate::control::{LimitKey, Pause, limits_of};
use crate::counters;
use crate::{Job, Lane, kinds};

/// Every kind of jobs at a moment, and the slots there are for them.
#[derive(Clone, Debug)]
pub struct QueueOverview {
    /// The moment, by the database's clock.
    pub at: DateTime<Utc>,
    /// The kinds, by name.
    pub queues: Vec<QueueStatus>,
    /// The lanes; empty where a tenant asks.
    pub lanes: Vec<LaneStatus>,
}

impl QueueOverview {
    /// Whether anything but the moment differs.
    pub fn differs(&self, other: &Self) -> bool {
        self.queues != other.queues || self.lanes != other.lanes
    }
}

/// How one kind of jobs stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueStatus {
    /// The kind.
    pub kind: String,
    /// Jobs that wait for a slot.
    pub ready: i64,
    /// Jobs in the hands of workers.
    pub running: i64,
    /// Jobs that wait for their time.
    pub scheduled: i64,
    /// Jobs behind their ordering key.
    pub held: i64,
    /// Jobs that were given up.
    pub dead: i64,
    /// Whether there are more jobs than were counted.
    pub at_least: bool,
    /// Since when the ready job that waits longest could run.
    pub oldest_ready_at: Option<DateTime<Utc>>,
    /// The pause of the kind.
    pub pause: Option<Pause>,
    /// Live processes that know the kind; `None` where a tenant asks.
    pub workers: Option<i64>,
    /// What was done lately; `None` where a tenant asks.
    pub throughput: Option<Throughput>,
}

/// What was done in the last five full minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Jobs enqueued, a minute.
    pub enqueued_per_minute: f64,
    /// Jobs done, a minute.
    pub done_per_minute: f64,
    /// Attempts failed, a minute.
    pub failed_per_minute: f64,
    /// Attempts failed of all that ended; `None`: none ended.
    pub error_rate: Option<f64>,
    /// From due to begun; `None`: none began.
    pub mean_wait_ms: Option<f64>,
    /// From begun to ended; `None`: none ended.
    pub mean_run_ms: Option<f64>,
}

/// How busy a lane is over all live processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// The lane.
    pub lane: Lane,
    /// Live processes with slots of it.
    pub workers: i64,
    /// Its slots.
    pub load: LaneLoad,
}

/// Says how every kind stands, from counters and bounded probes.
///
/// # Errors
/// Those of the database.
pub async fn overview(tx: &mut impl Tx) -> Result<QueueOverview> {
    limit_time(tx).await?;
    let mut queues = Queues::default();
    queues.add_known();
    depths(tx, &mut queues).await?;
    running(tx, &mut queues).await?;
    oldest(tx, &mut queues).await?;
    minutes(tx, &mut queues).await?;
    let live = workers::live(tx).await?;
    for kind in live.iter().flat_map(|worker| &worker.kinds) {
        queues.of(kind);
    }
    for queue in queues.0.values_mut() {
        let known = live.iter().filter(|worker| worker.knows(&queue.kind));
        queue.workers = i64::try_from(known.count()).ok();
        queue.throughput.get_or_insert_default();
    }
    queues.add_pauses(tx).await?;
    Ok(QueueOverview {
        at: now(tx).await?,
        queues: queues.0.into_values().collect(),
        lanes: Lane::ALL.map(|lane| lane_status(lane, &live)).into(),
    })
}

/// Says how one kind stands; `None` if nothing is known of it.
///
/// # Errors
/// Those of the database.
pub async fn find_queue(tx: &mut impl Tx, kind: &str) -> Result<Option<QueueStatus>> {
    let overview = overview(tx).await?;
    Ok(overview.queues.into_iter().find(|queue| queue.kind == kind))
}

/// The kinds that are shown, by name.
#[derive(Default)]
pub(super) struct Queues(pub(super) BTreeMap<String, QueueStatus>);

impl Queues {
    /// Adds every kind of the product, seen or not.
    fn add_known(&mut self) {
        macro_rules! names {
            ($($payload:ident => $module:ident,)*) => { [$(<kinds::$payload as Job>::KIND,)*] };
        }
        for kind in crate::for_each_job!(names) {
            self.of(kind);
        }
    }

    pub(super) fn of(&mut self, kind: &str) -> &mut QueueStatus {
        self.0
            .entry(kind.to_owned())
            .or_insert_with(|| QueueStatus {
                kind: kind.to_owned(),
                ..QueueStatus::default()
            })
    }

    async fn add_pauses(&mut self, tx: &mut impl Tx) -> Result<()> {
        let keys: Vec<String> = self
            .0
            .keys()
            .map(|kind| LimitKey::kind(kind).to_string())
            .collect();
        for limit in limits_of(tx.conn(), &keys).await? {
            if let Some(kind) = limit.key.strip_prefix("kind:") {
                self.of(kind).pause = limit.pause;
            }
        }
        Ok(())
    }
}

pub(super) async fn now(tx: &mut impl Tx) -> Result<DateTime<Utc>> {
    let now = sqlx::query_scalar("SELECT clock_timestamp()");
    Ok(now.fetch_one(tx.conn()).await?)
}

async fn depths(tx: &mut impl Tx, queues: &mut Queues) -> Result<()> {
    for depth in counters::depths(tx).await? {
        let queue = queues.of(&depth.kind);
        queue.ready = depth.ready;
        queue.scheduled = depth.scheduled;
        queue.held = depth.held;
        queue.dead = depth.dead;
    }
    Ok(())
}

/// Running jobs are bounded by the slots of all workers.
pub(super) const RUNNING: &str = "
    SELECT kind, count(*) FROM (SELECT kind FROM jobs WHERE state = 3 LIMIT 10000) AS r
    GROUP BY kind ORDER BY kind";

async fn running(tx: &mut impl Tx, queues: &mut Queues) -> Result<()> {
    let rows: Vec<(String, i64)> = sqlx::query_as(RUNNING).fetch_all(tx.conn()).await?;
    for (kind, jobs) in rows {
        queues.of(&kind).running = jobs;
    }
    Ok(())
}

/// The first ready job of each flow, from one flow to the next by the index: as many probes as there
/// are flows, 1,000 at most, however many jobs wait. A flow's first job is the one that was enqueued
/// first, which is the one that waits longest unless it was put off.
pub(super) const OLDEST: &str = "
    WITH RECURSIVE heads AS (
        (SELECT flow, kind, run_at, 1 AS nth FROM jobs WHERE state = 0 ORDER BY flow, id LIMIT 1)
        UNION ALL
        SELECT next.flow, next.kind, next.run_at, h.nth + 1
        FROM heads AS h CROSS JOIN LATERAL (
            SELECT flow, kind, run_at FROM jobs
            WHERE state = 0 AND flow > h.flow ORDER BY flow, id LIMIT 1
        ) AS next
        WHERE h.nth < 1000
    )
    SELECT kind, min(run_at) FROM heads GROUP BY kind ORDER BY kind";

async fn oldest(tx: &mut impl Tx, queues: &mut Queues) -> Result<()> {
    let rows: Vec<(String, DateTime<Utc>)> = sqlx::query_as(OLDEST).fetch_all(tx.conn()).await?;
    for (kind, since) in rows {
        queues.of(&kind).oldest_ready_at = Some(since);
    }
    Ok(())
}

#[derive(FromRow)]
struct Minutes {
    kind: String,
    enqueued: f64,
    started: f64,
    done: f64,
    failed: f64,
    wait_ms: f64,
    run_ms: f64,
}

/// How many full minutes are looked at.
const MINUTES: f64 = 5.0;

async fn minutes(tx: &mut impl Tx, queues: &mut Queues) -> Result<()> {
    let rows: Vec<Minutes> = sqlx::query_as(
        "SELECT kind, sum(enqueued)::float8 AS enqueued, sum(started)::float8 AS started,
                sum(done)::float8 AS done, sum(failed)::float8 AS failed,
                sum(wait_ms)::float8 AS wait_ms, sum(run_ms)::float8 AS run_ms
         FROM job_minutes
         WHERE minute >= date_trunc('minute', now()) - make_interval(mins => $1::float8::int)
           AND minute < date_trunc('minute', now())
         GROUP BY kind ORDER BY kind",
    )
    .bind(MINUTES)
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let ended = row.done + row.failed;
        queues.of(&row.kind).throughput = Some(Throughput {
            enqueued_per_minute: row.enqueued / MINUTES,
            done_per_minute: row.done / MINUTES,
            failed_per_minute: row.failed / MINUTES,
            error_rate: ratio(row.failed, ended),
            mean_wait_ms: ratio(row.wait_ms, row.started),
            mean_run_ms: ratio(row.run_ms, ended),
        });
    }
    Ok(())
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn lane_status(lane: Lane, live: &[Worker]) -> LaneStatus {
    let loads = live
        .iter()
        .map(|worker| worker.load(lane))
        .filter(|load| load.slots > 0);
    let mut status = LaneStatus {
        lane,
        workers: 0,
        load: LaneLoad::default(),
    };
    for load in loads {
        status.workers += 1;
        status.load.slots += load.slots;
        status.load.busy += load.busy;
    }
    status
}

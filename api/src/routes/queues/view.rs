use chrono::{DateTime, Utc};
use jobs::control::Pause;
use jobs::inspect::{self, LaneLoad, LaneStatus, QueueOverview, QueueStatus};
use poem_openapi::Object;

use super::super::jobs::Lane;

/// Every kind of jobs at a moment, and the slots there are for them.
#[derive(Debug, Object)]
#[oai(rename = "QueueOverview")]
pub(super) struct Overview {
    /// The moment.
    at: DateTime<Utc>,
    /// The kinds, by name. A tenant sees those of its own jobs.
    queues: Vec<Queue>,
    /// The lanes over all live workers; empty for a tenant.
    lanes: Vec<LaneView>,
}

/// How one kind of jobs stands.
#[derive(Debug, Object)]
pub(super) struct Queue {
    /// The kind.
    kind: String,
    /// Jobs that wait for a slot.
    ready: i64,
    /// Jobs in the hands of workers.
    running: i64,
    /// Jobs that wait for their time.
    scheduled: i64,
    /// Jobs behind their ordering key.
    held: i64,
    /// Jobs that were given up.
    dead: i64,
    /// Whether there are more jobs than were counted.
    at_least: bool,
    /// Since when the ready job that waits longest could run.
    oldest_ready_at: Option<DateTime<Utc>>,
    /// How long that is, in seconds.
    oldest_wait_seconds: Option<f64>,
    /// Whether it is paused.
    paused: bool,
    /// Until when; `null`: until somebody resumes it.
    paused_until: Option<DateTime<Utc>>,
    /// Live workers that know the kind; `null` for a tenant.
    workers: Option<i64>,
    /// What was done lately; `null` for a tenant.
    throughput: Option<Throughput>,
}

/// What was done in the last five full minutes.
#[derive(Debug, Object)]
#[oai(rename = "QueueThroughput")]
struct Throughput {
    /// Jobs enqueued, a minute.
    enqueued_per_minute: f64,
    /// Jobs done, a minute.
    done_per_minute: f64,
    /// Attempts failed, a minute.
    failed_per_minute: f64,
    /// Attempts failed of all that ended, 0 to 1; `null`: none ended.
    error_rate: Option<f64>,
    /// From due to begun, in milliseconds; `null`: none began.
    mean_wait_ms: Option<f64>,
    /// From begun to ended, in milliseconds; `null`: none ended.
    mean_run_ms: Option<f64>,
}

/// How busy a lane is.
#[derive(Debug, Object)]
#[oai(rename = "LaneLoad")]
struct LaneView {
    /// The lane.
    lane: Lane,
    /// Live workers with slots of it.
    workers: i64,
    /// Its slots.
    slots: i64,
    /// Those that are taken.
    busy: i64,
}

/// A process that runs jobs, as of its last heartbeat.
#[derive(Debug, Object)]
#[oai(rename = "Worker")]
pub(super) struct WorkerView {
    /// The number of this process start.
    id: i64,
    /// The machine's name.
    host: String,
    /// The process's number on that machine.
    process_id: i32,
    /// The kinds it knows.
    kinds: Vec<String>,
    /// When it started.
    started_at: DateTime<Utc>,
    /// Its last heartbeat.
    seen_at: DateTime<Utc>,
    /// Whether that is less than 30 seconds ago.
    live: bool,
    /// Jobs that it lost to others because it slept, or the database was away.
    lost_leases: i64,
    /// Its interactive slots.
    interactive_slots: i64,
    /// Those that are taken.
    interactive_busy: i64,
    /// Its slots for answers.
    answers_slots: i64,
    /// Those that are taken.
    answers_busy: i64,
    /// Its bulk slots.
    bulk_slots: i64,
    /// Those that are taken.
    bulk_busy: i64,
}

impl From<&QueueOverview> for Overview {
    fn from(overview: &QueueOverview) -> Self {
        let queues = overview.queues.iter();
        Self {
            at: overview.at,
            queues: queues.map(|queue| Queue::new(queue, overview.at)).collect(),
            lanes: overview.lanes.iter().map(LaneView::from).collect(),
        }
    }
}

impl Queue {
    /// Shows a queue as it stood at `at`.
    pub(super) fn new(queue: &QueueStatus, at: DateTime<Utc>) -> Self {
        let wait = queue.oldest_ready_at.map(|since| at - since);
        Self {
            kind: queue.kind.clone(),
            ready: queue.ready,
            running: queue.running,
            scheduled: queue.scheduled,
            held: queue.held,
            dead: queue.dead,
            at_least: queue.at_least,
            oldest_ready_at: queue.oldest_ready_at,
            oldest_wait_seconds: wait.map(|wait| wait.as_seconds_f64().max(0.0)),
            paused: queue.pause.is_some(),
            paused_until: queue.pause.and_then(|Pause { until }| until),
            workers: queue.workers,
            throughput: queue.throughput.map(Into::into),
        }
    }
}

impl From<inspect::Throughput> for Throughput {
    fn from(throughput: inspect::Throughput) -> Self {
        Self {
            enqueued_per_minute: throughput.enqueued_per_minute,
            done_per_minute: throughput.done_per_minute,
            failed_per_minute: throughput.failed_per_minute,
            error_rate: throughput.error_rate,
            mean_wait_ms: throughput.mean_wait_ms,
            mean_run_ms: throughput.mean_run_ms,
        }
    }
}

impl From<&LaneStatus> for LaneView {
    fn from(status: &LaneStatus) -> Self {
        let LaneLoad { slots, busy } = status.load;
        Self {
            lane: status.lane.into(),
            workers: status.workers,
            slots,
            busy,
        }
    }
}

impl From<inspect::Worker> for WorkerView {
    fn from(worker: inspect::Worker) -> Self {
        Self {
            id: worker.id,
            host: worker.host,
            process_id: worker.process_id,
            kinds: worker.kinds,
            started_at: worker.started_at,
            seen_at: worker.seen_at,
            live: worker.live,
            lost_leases: worker.lost_leases,
            interactive_slots: worker.interactive.slots,
            interactive_busy: worker.interactive.busy,
            answers_slots: worker.answers.slots,
            answers_busy: worker.answers.busy,
            bulk_slots: worker.bulk.slots,
            bulk_busy: worker.bulk.busy,
        }
    }
}

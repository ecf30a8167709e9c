use chrono::{DateTime, Utc};
use domain::TenantId;
use jobs::inspect::{TimelineEntry, WaitingCode};
use jobs::{AttemptView, JobState, JobView};
use poem_openapi::{Enum, Object};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// An enumeration of the API with the same variants as one of the engine.
macro_rules! mirrored {
    (
        $(#[$outer:meta])* $name:ident = $engine:ident, in the API $public:literal {
            $($(#[$doc:meta])* $variant:ident,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Enum, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[oai(rename_all = "snake_case", rename = $public)]
        pub(super) enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl From<$engine> for $name {
            fn from(of_engine: $engine) -> Self {
                match of_engine {
                    $($engine::$variant => Self::$variant,)*
                }
            }
        }

        impl From<$name> for $engine {
            fn from(of_api: $name) -> Self {
                match of_api {
                    $($name::$variant => Self::$variant,)*
                }
            }
        }
    };
}

mirrored! {
    /// Where a job stands.
    State = JobState, in the API "JobState" {
        /// Waits for a slot.
        Ready,
        /// Waits for its time: a delay or a backoff.
        Scheduled,
        /// Waits behind another job of its ordering key.
        Held,
        /// In the hands of a worker.
        Running,
        /// Finished.
        Done,
        /// Ended without need.
        Cancelled,
        /// Given up.
        Dead,
    }
}

mirrored! {
    /// Why a job does not run.
    Waiting = WaitingCode, in the API "WaitingCode" {
        /// It was to run later from the start.
        Scheduled,
        /// Its latest attempt failed and the next one is not due.
        Backoff,
        /// Its handler put it off.
        Snoozed,
        /// Its tenant's rate is used up.
        TenantRate,
        /// Its tenant has as many runs at a time as it may.
        TenantConcurrency,
        /// The rate of another limit is used up.
        LimitRate,
        /// Another limit has as many runs at a time as it may.
        LimitConcurrency,
        /// Somebody paused its kind, its tenant or a limit.
        Paused,
        /// A job before it with the same ordering key is not finished.
        KeyHeld,
        /// Every slot of its lane is taken.
        LaneFull,
        /// No live worker knows its kind.
        NoWorker,
        /// Somebody asked to cancel it.
        Cancelling,
        /// Nothing stands in its way: others are served first.
        OthersFirst,
    }
}

/// A piece of work.
#[derive(Debug, Object)]
pub(super) struct Job {
    /// Its number.
    id: i64,
    /// Its kind, such as `ingest-document`.
    kind: String,
    /// Its lane: `interactive` or `bulk`.
    lane: String,
    /// Where it stands.
    state: State,
    /// Lower runs first; 0 is normal.
    priority: i16,
    /// Whose it is; `null`: the platform's.
    tenant_id: Option<Uuid>,
    /// Attempts begun.
    attempt: i16,
    /// After how many it is given up.
    max_attempts: i16,
    /// When it was enqueued.
    created_at: DateTime<Utc>,
    /// It does not run before.
    run_at: Option<DateTime<Utc>>,
    /// When the latest attempt began.
    claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// It is given up if it has not begun by then.
    deadline_at: Option<DateTime<Utc>>,
    /// When somebody asked to cancel it while it ran.
    cancel_requested_at: Option<DateTime<Utc>>,
    /// Jobs of one kind and key run one after the other. A key that may name a person is shown as a
    /// hash.
    ordering_key: Option<String>,
    /// The limits that it carries itself.
    limit_keys: Vec<String>,
    /// Keeps a second one out while it is not finished.
    unique_key: Option<String>,
    /// The worker of the latest attempt, as `GET /api/queues/workers` numbers it.
    worker_id: Option<i64>,
    /// Why the latest attempt did not finish it, why it was given up or cancelled.
    error: Option<String>,
    /// Why it is not running, in words; `null` when it runs or has ended.
    waiting_because: Option<String>,
    /// The same for programs.
    waiting_code: Option<Waiting>,
    /// What it is about: ids, versions and numbers. `redacted` stands for anything else.
    payload: Value,
}

/// A piece of work with what happened to it.
#[derive(Debug, Object)]
pub(super) struct JobWithAttempts {
    /// The job.
    #[oai(flatten)]
    pub(super) job: Job,
    /// The attempts that did not finish it, in order, the latest 100.
    pub(super) attempts: Vec<Attempt>,
    /// What happened to it, in order.
    pub(super) timeline: Vec<Happening>,
}

/// An attempt that did not finish its job.
#[derive(Debug, Object)]
#[oai(rename = "JobAttempt")]
pub(super) struct Attempt {
    /// Which attempt, from 1.
    #[oai(rename = "attempt")]
    number: i16,
    /// When it began.
    claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    ended_at: DateTime<Utc>,
    /// The worker that had it.
    worker_id: Option<i64>,
    /// How it ended: `retry`, `snoozed`, `cancelled`, `dead`, `panicked`, `timed_out`, `crashed`,
    /// `expired`.
    outcome: String,
    /// Why.
    error: Option<String>,
}

/// Something that happened to a job, or will.
#[derive(Debug, Object)]
#[oai(rename = "JobEvent")]
pub(super) struct Happening {
    /// When.
    at: DateTime<Utc>,
    /// What: `enqueued`, `due`, `begun`, `cancel_requested`, how an attempt ended, or how the job
    /// did.
    event: String,
    /// Of which attempt.
    attempt: Option<i16>,
    /// Why.
    detail: Option<String>,
}

impl From<JobView> for Job {
    fn from(job: JobView) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            lane: job.lane.to_owned(),
            state: job.state.into(),
            priority: job.priority,
            tenant_id: job.tenant.map(TenantId::as_uuid),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            created_at: job.created_at,
            run_at: job.run_at,
            claimed_at: job.claimed_at,
            finished_at: job.finished_at,
            deadline_at: job.deadline_at,
            cancel_requested_at: job.cancel_requested_at,
            ordering_key: job.ordering_key,
            limit_keys: job.limit_keys.into_iter().flatten().collect(),
            unique_key: job.unique_key,
            worker_id: job.session,
            error: job.error,
            waiting_because: job.waiting_because,
            waiting_code: job.waiting_code.map(Into::into),
            payload: job.payload,
        }
    }
}

impl From<AttemptView> for Attempt {
    fn from(attempt: AttemptView) -> Self {
        Self {
            number: attempt.attempt,
            claimed_at: attempt.claimed_at,
            ended_at: attempt.ended_at,
            worker_id: attempt.session_id,
            outcome: attempt.outcome,
            error: attempt.error,
        }
    }
}

impl From<TimelineEntry> for Happening {
    fn from(entry: TimelineEntry) -> Self {
        Self {
            at: entry.at,
            event: entry.event,
            attempt: entry.attempt,
            detail: entry.detail,
        }
    }
}

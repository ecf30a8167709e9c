//! The recorded history of a run, as the checker reads it.

mod collect;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::kinds::Does;

pub(crate) use collect::collect;

/// The tables of the history, and the limits that a run has.
pub(crate) const SCHEMA: &str = include_str!("schema.sql");

/// The database's time.
pub(crate) type Time = DateTime<Utc>;

/// Which hold on which job: what the engine's fence tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) job: i64,
    pub(crate) at: Time,
    pub(crate) session: i64,
}

/// A job whose enqueueing was committed.
#[derive(Clone, Debug)]
pub(crate) struct Enqueued {
    pub(crate) n: i64,
    pub(crate) job: i64,
    pub(crate) kind: String,
    pub(crate) does: Does,
    pub(crate) tenant: Option<Uuid>,
    pub(crate) key: Option<String>,
    pub(crate) endpoint: Option<String>,
    /// When it has to have begun.
    pub(crate) deadline_at: Option<Time>,
}

impl Enqueued {
    /// Whether a limit holds for it.
    pub(crate) fn is_limited_by(&self, limit: &str) -> bool {
        self.endpoint.as_deref() == Some(limit)
            || limit.strip_prefix("kind:") == Some(self.kind.as_str())
            || (limit.strip_prefix("tenant:"))
                .is_some_and(|id| self.tenant.is_some_and(|tenant| tenant.to_string() == id))
    }
}

/// A job that was put into the tables by hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poison {
    pub(crate) job: i64,
    /// A worker knows its kind, but cannot read its payload.
    pub(crate) is_known_kind: bool,
}

/// One run of a handler over one job.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) claim: Claim,
    /// Which claim of the job it is; `None`: its lease was lost before it began.
    pub(crate) nth: Option<i32>,
    pub(crate) attempt: i16,
    pub(crate) begun_at: Time,
    /// When the handler said how it ended, and what.
    pub(crate) ended: Option<(Time, String)>,
    /// The worker's own clock when it began.
    pub(crate) wall_at: Time,
}

/// What a handler committed behind its fence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effect {
    pub(crate) claim: Claim,
    /// Whether the job had none yet, as the transaction saw it.
    pub(crate) is_first: bool,
    pub(crate) at: Time,
}

/// How the engine says that a hold ended.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    pub(crate) claim: Claim,
    /// As in the attempt log, or `done` and `cancelled` as in the history.
    pub(crate) outcome: String,
    /// Attempts are given back by a snooze and by a shutdown.
    pub(crate) burned_attempt: bool,
    /// When its transaction began.
    pub(crate) at: Time,
}

/// Where a job is in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Done,
    Cancelled,
    Dead,
    /// Still in the hot table, in that state.
    Waiting(i16),
}

/// A job's last row.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) job: i64,
    pub(crate) kind: String,
    pub(crate) place: Place,
    pub(crate) at: Time,
    pub(crate) attempt: i16,
    pub(crate) max_attempts: i16,
    /// Why it is dead or was cancelled.
    pub(crate) reason: Option<String>,
}

/// A wish that a job be ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cancel {
    pub(crate) job: i64,
    /// What the job was doing when it was cancelled; `None`: nobody knows whether it was.
    pub(crate) state: Option<i16>,
    /// A moment after the commit.
    pub(crate) committed_at: Option<Time>,
}

/// A limit as it was set.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) key: String,
    pub(crate) concurrency: Option<i32>,
    pub(crate) rate: Option<(f64, i32)>,
    /// Whom it counts in the end.
    pub(crate) running: i32,
}

/// A periodic job of one tick.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    pub(crate) schedule: String,
    pub(crate) period_ms: i64,
    pub(crate) due_at: Time,
}

/// A pause of everything that a limit key applies to.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    pub(crate) key: String,
    /// A moment after its commit.
    pub(crate) paused_at: Time,
    /// A moment before it was lifted.
    pub(crate) resumed_at: Time,
}

/// An ordering key that still has a row.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) key: String,
    /// Its jobs in the hot table that wait for their turn or run: one, unless something broke.
    pub(crate) heads: i64,
}

/// Everything that is known of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) enqueued: Vec<Enqueued>,
    /// The numbers of jobs whose commit was answered.
    pub(crate) acknowledged: Vec<i64>,
    pub(crate) poison: Vec<Poison>,
    pub(crate) runs: Vec<Run>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) closings: Vec<Closing>,
    pub(crate) ends: Vec<End>,
    pub(crate) cancels: Vec<Cancel>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) ticks: Vec<Tick>,
    /// Until when each schedule was let go on.
    pub(crate) schedule_ends: Vec<(String, Time)>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) keys: Vec<KeyRow>,
    /// Workers that ended and were not asked to.
    pub(crate) deaths: Vec<String>,
}

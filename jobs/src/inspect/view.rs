use chrono::{DateTime, Utc};
use db::{Error, Result};
use domain::TenantId;
use sqlx::FromRow;
use uuid::Uuid;

use super::JobState;
use super::redact::{redact, redact_key};
use super::waiting::WaitingCode;
use crate::Lane;

/// A job as operators see it.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// Its lane: `interactive` or `bulk`.
    pub lane: &'static str,
    /// Where it stands.
    pub state: JobState,
    /// Lower runs first; 0 is normal.
    pub priority: i16,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Attempts begun.
    pub attempt: i16,
    /// After how many it is dead.
    pub max_attempts: i16,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Not before.
    pub run_at: Option<DateTime<Utc>>,
    /// When the latest attempt began.
    pub claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Dead if it has not begun by then.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When somebody asked to cancel it while it ran.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Its ordering key, or a hash of one that may name a person.
    pub ordering_key: Option<String>,
    /// Its own limit keys.
    pub limit_keys: [Option<String>; 2],
    /// Its unique key, while it is not finished.
    pub unique_key: Option<String>,
    /// The session of the latest attempt, as far as it is known.
    pub session: Option<i64>,
    /// Why the latest attempt did not finish it, why it is dead or why it was cancelled.
    pub error: Option<String>,
    /// Why it is not running, in words; `None` when it runs undisturbed or has ended.
    pub waiting_because: Option<String>,
    /// The same for programs.
    pub waiting_code: Option<WaitingCode>,
    /// What it is about; values that may hold what people wrote are left out.
    pub payload: serde_json::Value,
}

/// A job as the statements return it.
#[derive(FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) lane: i16,
    pub(super) state: String,
    priority: i16,
    pub(super) tenant_id: Option<Uuid>,
    pub(super) attempt: i16,
    max_attempts: i16,
    created_at: DateTime<Utc>,
    pub(super) run_at: Option<DateTime<Utc>>,
    claimed_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    deadline_at: Option<DateTime<Utc>>,
    pub(super) cancel_requested_at: Option<DateTime<Utc>>,
    pub(super) ordering_key: Option<String>,
    pub(super) limit_key_1: Option<String>,
    pub(super) limit_key_2: Option<String>,
    unique_key: Option<String>,
    session_id: Option<i64>,
    pub(super) error: Option<String>,
    payload: serde_json::Value,
    /// Whether `run_at` has come.
    pub(super) due: bool,
}

impl Row {
    pub(super) fn state(&self) -> Result<JobState> {
        self.state
            .parse()
            .map_err(|_| Error::corrupt("state of a job"))
    }

    /// Shows the row, with why it waits if it does.
    pub(super) fn view(self, waiting: Option<(WaitingCode, String)>) -> Result<JobView> {
        let state = self.state()?;
        let (waiting_code, waiting_because) = waiting.unzip();
        Ok(JobView {
            id: self.id,
            lane: lane_name(self.lane),
            state,
            priority: self.priority,
            tenant: self.tenant_id.map(Into::into),
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            created_at: self.created_at,
            run_at: self.run_at,
            claimed_at: self.claimed_at,
            finished_at: self.finished_at,
            deadline_at: self.deadline_at,
            cancel_requested_at: self.cancel_requested_at,
            ordering_key: self.ordering_key.map(|key| redact_key(&self.kind, key)),
            limit_keys: [self.limit_key_1, self.limit_key_2],
            unique_key: self.unique_key,
            session: self.session_id,
            error: self.error,
            waiting_because,
            waiting_code,
            payload: redact(&self.kind, self.payload),
            kind: self.kind,
        })
    }
}

/// The name of a lane by its number.
pub(super) const fn lane_name(number: i16) -> &'static str {
    Lane::of_number(number).as_str()
}

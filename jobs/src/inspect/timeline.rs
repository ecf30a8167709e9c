use chrono::{DateTime, Utc};
use db::{Result, Tx};
use sqlx::FromRow;

use super::{JobState, JobView};

/// One attempt of a job that did not finish it.
#[derive(Clone, Debug, FromRow)]
pub struct AttemptView {
    /// Which attempt, from 1.
    pub attempt: i16,
    /// When it began.
    pub claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The session that had it.
    pub session_id: Option<i64>,
    /// How it ended: `retry`, `snoozed`, `cancelled`, `dead`, `panicked`, `timed_out`, `crashed`,
    /// `expired`.
    pub outcome: String,
    /// Why.
    pub error: Option<String>,
}

/// Lists the attempts of a job that did not finish it, in order, the latest 100.
///
/// # Errors
/// Those of the database.
pub async fn attempts(tx: &mut impl Tx, id: i64) -> Result<Vec<AttemptView>> {
    let mut latest: Vec<AttemptView> = sqlx::query_as(
        "SELECT attempt, claimed_at, ended_at, session_id, outcome, error FROM job_attempts
         WHERE job_id = $1 ORDER BY ended_at DESC LIMIT 100",
    )
    .bind(id)
    .fetch_all(tx.conn())
    .await?;
    latest.reverse();
    Ok(latest)
}

/// Something that happened to a job, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// What: `enqueued`, `due`, `begun`, `cancel_requested`, how an attempt ended, or how the job
    /// did: `done`, `cancelled`, `dead`.
    pub event: String,
    /// Of which attempt.
    pub attempt: Option<i16>,
    /// Why.
    pub detail: Option<String>,
}

/// Tells a job's life in the order of time.
pub fn timeline(job: &JobView, attempts: &[AttemptView]) -> Vec<TimelineEntry> {
    let mut entries = vec![entry(job.created_at, "enqueued")];
    for attempt in attempts {
        entries.extend(attempt.claimed_at.map(|at| TimelineEntry {
            attempt: Some(attempt.attempt),
            ..entry(at, "begun")
        }));
        entries.push(TimelineEntry {
            attempt: Some(attempt.attempt),
            detail: attempt.error.clone(),
            ..entry(attempt.ended_at, &attempt.outcome)
        });
    }
    entries.extend(job.run_at.map(|at| entry(at, "due")));
    let told = |at| {
        attempts
            .iter()
            .any(|attempt| attempt.claimed_at == Some(at))
    };
    let latest = job.claimed_at.filter(|at| !told(*at));
    entries.extend(latest.map(|at| TimelineEntry {
        attempt: Some(job.attempt),
        ..entry(at, "begun")
    }));
    entries.extend(
        job.cancel_requested_at
            .map(|at| entry(at, "cancel_requested")),
    );
    if let Some(at) = job.finished_at {
        let detail = job.error.clone().filter(|_| job.state != JobState::Done);
        entries.push(TimelineEntry {
            detail,
            ..entry(at, job.state.as_str())
        });
    }
    // Stable: what happened in one transaction stays in its order.
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn entry(at: DateTime<Utc>, event: &str) -> TimelineEntry {
    TimelineEntry {
        at,
        event: event.to_owned(),
        attempt: None,
        detail: None,
    }
}

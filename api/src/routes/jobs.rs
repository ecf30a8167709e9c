use chrono::{DateTime, Utc};
use domain::TenantId;
use jobs::{AttemptView, JobFilter, JobState, JobView};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Enum, Object, OpenApi};
use serde_json::Value;
use uuid::Uuid;

use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Found, List};
use crate::auth::{Auth, Caller};
use crate::payload::PageRequest;

/// Where a job stands.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "JobState")]
enum State {
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

/// A piece of work.
#[derive(Debug, Object)]
struct Job {
    /// Its number.
    id: i64,
    /// Its kind, such as `ingest-document`.
    kind: String,
    /// Its lane: `interactive` or `bulk`.
    lane: String,
    /// Where it stands.
    state: State,
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
    /// Jobs of one kind and key run one after the other.
    ordering_key: Option<String>,
    /// Why the latest attempt did not finish it, or why it was given up.
    error: Option<String>,
    /// Why it is not running, in words; `null` when it runs or has ended.
    waiting_because: Option<String>,
    /// What it is about: ids.
    payload: Value,
}

/// A piece of work with the attempts that did not finish it.
#[derive(Debug, Object)]
struct JobWithAttempts {
    /// The job.
    #[oai(flatten)]
    job: Job,
    /// The attempts that did not finish it, in order, at most 100.
    attempts: Vec<Attempt>,
}

/// An attempt that did not finish its job.
#[derive(Debug, Object)]
#[oai(rename = "JobAttempt")]
struct Attempt {
    /// Which attempt, from 1.
    #[oai(rename = "attempt")]
    number: i16,
    /// When it began.
    claimed_at: Option<DateTime<Utc>>,
    /// When it ended.
    ended_at: DateTime<Utc>,
    /// How it ended: `retry`, `snoozed`, `cancelled`, `dead`, `panicked`, `timed_out`, `crashed`.
    outcome: String,
    /// Why.
    error: Option<String>,
}

pub(crate) struct JobRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Jobs")]
impl JobRoutes {
    /// List jobs
    ///
    /// Newest first. An operator sees all, a tenant its own.
    #[oai(path = "/jobs", method = "get", operation_id = "list_jobs")]
    async fn list(
        &self,
        auth: Auth,
        /// Only of this kind, such as `ingest-document`.
        kind: Query<Option<String>>,
        /// Only in this state.
        state: Query<Option<State>>,
        /// Only of this tenant.
        tenant_id: Query<Option<Uuid>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<Job>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let tenant = visible(&auth.0, tenant_id.0.map(Into::into))?;
        let filter = JobFilter {
            kind: kind.0,
            state: state.0.map(Into::into),
            tenant,
            ..JobFilter::default()
        };
        let mut tx = auth.0.state().db.system().await?;
        Ok(List::of(
            jobs::list(&mut tx, &filter, page.after, page.limit).await?,
            view,
        ))
    }

    /// Get a job
    ///
    /// With the attempts that did not finish it.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "get_job")]
    async fn get(
        &self,
        auth: Auth,
        /// The job's number.
        job_id: Path<i64>,
    ) -> Result<Found<JobWithAttempts>, Problem> {
        let mut tx = auth.0.state().db.system().await?;
        let job = jobs::get(&mut tx, job_id.0, auth.0.tenant()).await?;
        let job = view(job.ok_or_else(Problem::not_found)?);
        let attempts = jobs::attempts(&mut tx, job_id.0).await?;
        let attempts = attempts.into_iter().map(view_attempt).collect();
        Ok(Answer(JobWithAttempts { job, attempts }))
    }
}

/// Whose jobs the caller sees: the asked-for tenant's, and of a tenant's key only its own.
fn visible(caller: &Caller, asked: Option<TenantId>) -> Result<Option<TenantId>, Problem> {
    match (caller.tenant(), asked) {
        (Some(own), Some(asked)) if own != asked => Err(Problem::not_found()),
        (Some(own), _) => Ok(Some(own)),
        (None, asked) => Ok(asked),
    }
}

fn view(job: JobView) -> Job {
    Job {
        id: job.id,
        kind: job.kind,
        lane: job.lane.to_owned(),
        state: job.state.into(),
        tenant_id: job.tenant.map(TenantId::as_uuid),
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        created_at: job.created_at,
        run_at: job.run_at,
        claimed_at: job.claimed_at,
        finished_at: job.finished_at,
        ordering_key: job.ordering_key,
        error: job.error,
        waiting_because: job.waiting_because,
        payload: job.payload,
    }
}

fn view_attempt(attempt: AttemptView) -> Attempt {
    Attempt {
        number: attempt.attempt,
        claimed_at: attempt.claimed_at,
        ended_at: attempt.ended_at,
        outcome: attempt.outcome,
        error: attempt.error,
    }
}

impl From<JobState> for State {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Ready => Self::Ready,
            JobState::Scheduled => Self::Scheduled,
            JobState::Held => Self::Held,
            JobState::Running => Self::Running,
            JobState::Done => Self::Done,
            JobState::Cancelled => Self::Cancelled,
            JobState::Dead => Self::Dead,
        }
    }
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Ready => Self::Ready,
            State::Scheduled => Self::Scheduled,
            State::Held => Self::Held,
            State::Running => Self::Running,
            State::Done => Self::Done,
            State::Cancelled => Self::Cancelled,
            State::Dead => Self::Dead,
        }
    }
}

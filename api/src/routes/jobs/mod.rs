//! Jobs: found, shown, cancelled, retried and redriven, one by one or all that match.

mod bulk;
mod filter;
mod view;

use chrono::{DateTime, Utc};
use db::SystemTx;
use jobs::control;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use uuid::Uuid;

use self::bulk::{BulkRequest, BulkResult};
use self::filter::Filter;
use self::view::{Job, JobWithAttempts, State};
use super::Tag;
use crate::Problem;
use crate::answer::{Answer, Found, List};
use crate::auth::{Auth, Caller};
use crate::payload::{JsonBody, PageRequest};

pub(super) use self::filter::Lane;

pub(crate) struct JobRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Jobs")]
impl JobRoutes {
    /// List jobs
    ///
    /// Newest first. An operator sees all, a tenant its own. A search that takes longer than five
    /// seconds is ended with 503: narrow it.
    #[oai(path = "/jobs", method = "get", operation_id = "list_jobs")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the query"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// Only of this kind, such as `ingest-document`.
        kind: Query<Option<String>>,
        /// Only in this state.
        state: Query<Option<State>>,
        /// Only of this tenant.
        tenant_id: Query<Option<Uuid>>,
        /// Only of this lane.
        lane: Query<Option<Lane>>,
        /// Only with this ordering key, or the hash that is shown in its place.
        ordering_key: Query<Option<String>>,
        /// Only those that this limit applies to, such as `endpoint:7` or `tenant:<id>`.
        limit_key: Query<Option<String>>,
        /// Only with this unique key, which unfinished jobs alone have.
        unique_key: Query<Option<String>>,
        /// Only enqueued before.
        created_before: Query<Option<DateTime<Utc>>>,
        /// Only enqueued at that time or later.
        created_after: Query<Option<DateTime<Utc>>>,
        /// Only with this text, in whatever case, in their error or reason.
        error: Query<Option<String>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<Job>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let filter = Filter {
            kind: kind.0,
            state: state.0,
            tenant_id: tenant_id.0,
            lane: lane.0,
            ordering_key: ordering_key.0,
            limit_key: limit_key.0,
            unique_key: unique_key.0,
            created_before: created_before.0,
            created_after: created_after.0,
            error: error.0,
        };
        let filter = filter.read(&auth.0, "")?;
        let mut tx = auth.0.state().db.system().await?;
        let found = jobs::list(&mut tx, &filter, page.after, page.limit).await?;
        Ok(List::of(found, Job::from))
    }

    /// Get a job
    ///
    /// With the attempts that did not finish it, and its life in order.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "get_job")]
    async fn get(
        &self,
        auth: Auth,
        /// The job's number.
        job_id: Path<i64>,
    ) -> Result<Found<JobWithAttempts>, Problem> {
        let mut tx = auth.0.state().db.system().await?;
        let job = jobs::get(&mut tx, job_id.0, auth.0.tenant()).await?;
        let job = job.ok_or_else(Problem::not_found)?;
        let attempts = jobs::attempts(&mut tx, job_id.0).await?;
        let timeline = jobs::inspect::timeline(&job, &attempts);
        Ok(Answer(JobWithAttempts {
            job: job.into(),
            attempts: attempts.into_iter().map(Into::into).collect(),
            timeline: timeline.into_iter().map(Into::into).collect(),
        }))
    }

    /// Cancel a job
    ///
    /// One that waits ends; the worker of one that runs is told, and drops it if it does not end by
    /// itself. One that has ended is 409.
    #[oai(
        path = "/jobs/:job_id/cancel",
        method = "post",
        operation_id = "cancel_job"
    )]
    async fn cancel(
        &self,
        auth: Auth,
        /// The job's number.
        job_id: Path<i64>,
    ) -> Result<Found<Job>, Problem> {
        let mut tx = auth.0.state().db.system().await?;
        let (id, tenant) = (job_id.0, auth.0.tenant());
        control::cancel(&mut tx, id, tenant, reason(&auth.0)).await?;
        committed(tx, id).await
    }

    /// Retry a job
    ///
    /// One that waits for its time runs at once; one that was given up runs again from its first
    /// attempt. Any other is 409.
    #[oai(
        path = "/jobs/:job_id/retry",
        method = "post",
        operation_id = "retry_job"
    )]
    async fn retry(
        &self,
        auth: Auth,
        /// The job's number.
        job_id: Path<i64>,
    ) -> Result<Found<Job>, Problem> {
        let mut tx = auth.0.state().db.system().await?;
        control::retry(&mut tx, job_id.0, auth.0.tenant()).await?;
        committed(tx, job_id.0).await
    }

    /// Redrive a job
    ///
    /// One that was given up runs again under its number, from its first attempt, at the end of its
    /// ordering key. Any other is 409.
    #[oai(
        path = "/jobs/:job_id/redrive",
        method = "post",
        operation_id = "redrive_job"
    )]
    async fn redrive(
        &self,
        auth: Auth,
        /// The job's number.
        job_id: Path<i64>,
    ) -> Result<Found<Job>, Problem> {
        let mut tx = auth.0.state().db.system().await?;
        control::redrive(&mut tx, job_id.0, auth.0.tenant()).await?;
        committed(tx, job_id.0).await
    }

    /// Cancel, retry or redrive all jobs that match
    ///
    /// A dry run counts them. A filter that names no more than a state, a lane or times is 409 without
    /// the count that the dry run gave. One request takes 10,000 jobs at most and says whether some may be left.
    #[oai(path = "/jobs/bulk", method = "post", operation_id = "change_jobs")]
    async fn bulk(
        &self,
        auth: Auth,
        body: JsonBody<BulkRequest>,
    ) -> Result<Found<BulkResult>, Problem> {
        Ok(Answer(body.value.run(&auth.0).await?))
    }
}

/// Commits what was done to a job and shows it.
async fn committed(mut tx: SystemTx, id: i64) -> Result<Found<Job>, Problem> {
    let job = jobs::get(&mut tx, id, None).await?;
    let job = job.ok_or_else(Problem::not_found)?;
    tx.commit().await?;
    Ok(Answer(job.into()))
}

/// Who cancelled a job, for whoever looks at it later.
fn reason(caller: &Caller) -> &'static str {
    match caller.tenant() {
        Some(_) => "cancelled by its tenant",
        None => "cancelled by an operator",
    }
}

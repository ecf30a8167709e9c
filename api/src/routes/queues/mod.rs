//! How the kinds of jobs stand, and their pauses.

mod view;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use jobs::control::{self, LimitKey};
use jobs::inspect::{self, QueueOverview};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::EventStream;
use uuid::Uuid;

use self::view::{Overview, Queue, WorkerView};
use super::Tag;
use super::limits::{LimitView, PauseRequest};
use crate::Problem;
use crate::answer::{Answer, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{JsonBody, PageRequest};

/// How often a stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) struct QueueRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Queues")]
impl QueueRoutes {
    /// List the queues
    ///
    /// Every kind of jobs with its depths, its oldest wait and what was done lately. A tenant sees its
    /// own jobs counted, up to 10,000.
    #[oai(path = "/queues", method = "get", operation_id = "list_queues")]
    async fn list(&self, auth: Auth) -> Result<Found<Overview>, Problem> {
        let mut tx = auth.0.state().db.system().await?;
        let overview = match auth.0.tenant() {
            Some(tenant) => inspect::tenant_overview(&mut tx, tenant).await?,
            None => inspect::overview(&mut tx).await?,
        };
        Ok(Answer((&overview).into()))
    }

    /// Watch the queues
    ///
    /// Server-sent events: the overview at once, then whenever it has changed, at most once a second;
    /// a comment every 15 seconds. A stream lasts an hour at most. A tenant watches its own jobs,
    /// counted up to 10,000, at most every two seconds and over four streams at a time.
    #[oai(path = "/queues/live", method = "get", operation_id = "watch_queues")]
    async fn live(&self, auth: Auth) -> Result<EventStream<BoxStream<'static, Overview>>, Problem> {
        let feed = &auth.0.state().queue_feed;
        let overviews = feed.watch(auth.0.tenant()).await?;
        let shown = overviews.map(|overview: Arc<QueueOverview>| Overview::from(&*overview));
        Ok(EventStream::new(shown.boxed()).keep_alive(HEARTBEAT))
    }

    /// List the workers
    ///
    /// The processes that run jobs, or did until lately, the latest start first. Needs an operator's
    /// key.
    #[oai(
        path = "/queues/workers",
        method = "get",
        operation_id = "list_workers"
    )]
    async fn workers(
        &self,
        auth: Auth,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<WorkerView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.operate().await?;
        let workers = inspect::list_workers(&mut tx, page.after, page.limit).await?;
        Ok(List::of(workers, WorkerView::from))
    }

    /// Get a queue
    ///
    /// One kind of jobs. Needs an operator's key.
    #[oai(path = "/queues/:kind", method = "get", operation_id = "get_queue")]
    async fn get(
        &self,
        auth: Auth,
        /// The kind of its jobs.
        kind: Path<String>,
    ) -> Result<Found<Queue>, Problem> {
        let mut tx = auth.0.operate().await?;
        let overview = inspect::overview(&mut tx).await?;
        let queue = overview.queues.iter().find(|queue| queue.kind == kind.0);
        let queue = queue.ok_or_else(Problem::not_found)?;
        Ok(Answer(Queue::new(queue, overview.at)))
    }

    /// Pause a queue
    ///
    /// No job of the kind begins; what runs goes on. Needs an operator's key.
    #[oai(
        path = "/queues/:kind/pause",
        method = "post",
        operation_id = "pause_queue"
    )]
    async fn pause(
        &self,
        auth: Auth,
        /// The kind of its jobs.
        kind: Path<String>,
        body: JsonBody<PauseRequest>,
    ) -> Result<Found<LimitView>, Problem> {
        let until = body.value.until()?;
        let mut tx = auth.0.operate().await?;
        let queue = inspect::find_queue(&mut tx, &kind.0).await?;
        let queue = queue.ok_or_else(Problem::not_found)?;
        let limit = control::pause(&mut tx, &LimitKey::kind(&queue.kind), until).await?;
        tx.commit().await?;
        Ok(Answer(limit.into()))
    }

    /// Resume a queue
    ///
    /// Needs an operator's key.
    #[oai(
        path = "/queues/:kind/resume",
        method = "post",
        operation_id = "resume_queue"
    )]
    async fn resume(
        &self,
        auth: Auth,
        /// The kind of its jobs.
        kind: Path<String>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.operate().await?;
        let queue = inspect::find_queue(&mut tx, &kind.0).await?;
        let queue = queue.ok_or_else(Problem::not_found)?;
        control::resume(&mut tx, &LimitKey::kind(&queue.kind)).await?;
        tx.commit().await?;
        Ok(Done)
    }

    /// Pause a tenant's jobs
    ///
    /// None of them begins, or none of one kind; what runs goes on. Needs an operator's key.
    #[oai(
        path = "/tenants/:tenant_id/jobs/pause",
        method = "post",
        operation_id = "pause_tenant_jobs"
    )]
    async fn pause_tenant(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only of this kind.
        kind: Query<Option<String>>,
        body: JsonBody<PauseRequest>,
    ) -> Result<Found<LimitView>, Problem> {
        auth.0.require_operator()?;
        let (key, until) = (
            tenant_key(tenant_id.0, kind.0.as_deref())?,
            body.value.until()?,
        );
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let limit = control::pause(&mut tx, &key, until).await?;
        tx.commit().await?;
        Ok(Answer(limit.into()))
    }

    /// Resume a tenant's jobs
    ///
    /// All of them, or those of one kind: each ends the pause that was set so. Needs an operator's
    /// key.
    #[oai(
        path = "/tenants/:tenant_id/jobs/resume",
        method = "post",
        operation_id = "resume_tenant_jobs"
    )]
    async fn resume_tenant(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only of this kind.
        kind: Query<Option<String>>,
    ) -> Result<Done, Problem> {
        auth.0.require_operator()?;
        let key = tenant_key(tenant_id.0, kind.0.as_deref())?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        control::resume(&mut tx, &key).await?;
        tx.commit().await?;
        Ok(Done)
    }
}

fn tenant_key(tenant: Uuid, kind: Option<&str>) -> Result<LimitKey, Problem> {
    match kind {
        None => Ok(LimitKey::tenant(tenant.into())),
        // Parsed, since a kind is what somebody wrote.
        Some(kind) => LimitKey::parse(&format!("tenant:{tenant}/{kind}"))
            .map_err(|_| Problem::invalid_field("kind", "is not the name of a kind")),
    }
}

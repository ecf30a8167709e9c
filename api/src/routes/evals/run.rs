use assistant::evals::{self, Plan};
use domain::EvalRunId;
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use store::{eval_results, eval_runs, tenants};
use uuid::Uuid;

use super::super::Tag;
use super::super::retrieval::RetrievalOverride;
use super::run_view::{ResultView, RunView, RunWithComparison, view, view_comparison, view_result};
use crate::Problem;
use crate::answer::{Accepted, Answer, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 200;
/// The longest tag, in characters.
const MAX_TAG_CHARS: usize = 64;

/// An evaluation to be run.
#[derive(Debug, Default, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartRun {
    /// What it is called, 1 to 200 characters, such as what was changed before it.
    name: Option<String>,
    /// Only questions with this tag; missing: all.
    tag: Option<String>,
    /// How passages are found and ranked in this run; what is missing is as the tenant set it.
    retrieval: Option<RetrievalOverride>,
    /// Whether the tenant's model answers each question, too, and the answers are graded. That costs
    /// what answers to customers cost. Default `false`.
    answers: Option<bool>,
    /// The run that this one is compared with; missing: the last one before it that is done.
    compare_with: Option<Uuid>,
}

pub(crate) struct EvalRunRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Evals")]
impl EvalRunRoutes {
    /// Run an evaluation
    ///
    /// Asks the questions as they are now. The answer comes at once; the work is a job in the
    /// background that goes on where it stopped whatever happens. Watch `status`.
    #[oai(
        path = "/tenants/:tenant_id/evals/runs",
        method = "post",
        operation_id = "start_eval_run"
    )]
    async fn start(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<StartRun>,
    ) -> Result<Accepted<RunView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let own = tenants::get(&mut tx).await?.settings.retrieval;
        let body = body.value;
        let mut checks = Checks::default();
        let name = body.name.as_ref();
        let name = name.map(|name| checks.text("name", name, MAX_NAME_CHARS));
        let tag = body.tag.as_ref();
        let tag = tag.map(|tag| checks.text("tag", tag, MAX_TAG_CHARS));
        let retrieval = body.retrieval.unwrap_or_default();
        let retrieval = retrieval.over(own, "retrieval.", &mut checks);
        checks.finish()?;
        let plan = Plan {
            name: name.unwrap_or_default(),
            tag,
            retrieval,
            answers: body.answers.unwrap_or(false),
            compare_with: body.compare_with.map(Into::into),
        };
        let run = evals::start(&mut tx, &plan).await?;
        tx.commit().await?;
        Ok(Answer(view(run, 0)))
    }

    /// List a tenant's eval runs
    ///
    /// Newest first.
    #[oai(
        path = "/tenants/:tenant_id/evals/runs",
        method = "get",
        operation_id = "list_eval_runs"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<RunView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let found = eval_runs::list(&mut tx, page.after, page.limit).await?;
        let ids: Vec<EvalRunId> = found.data.iter().map(|run| run.id).collect();
        let done = eval_results::count_graded(&mut tx, &ids).await?;
        Ok(List::of(found, |run| {
            let done = done.get(&run.id).copied().unwrap_or(0);
            view(run, done)
        }))
    }

    /// Get an eval run
    ///
    /// With which questions did better and worse than in another run: the one of `compare_with` here,
    /// else the one of `compare_with` at the start, else the last one before it that is done.
    #[oai(
        path = "/tenants/:tenant_id/evals/runs/:run_id",
        method = "get",
        operation_id = "get_eval_run"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The run.
        run_id: Path<Uuid>,
        /// The run to compare it with.
        compare_with: Query<Option<Uuid>>,
    ) -> Result<Found<RunWithComparison>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let run = eval_runs::get(&mut tx, run_id.0.into()).await?;
        let with = compare_with.0.map(Into::into);
        let comparison = evals::compare(&mut tx, &run, with).await?;
        let done = eval_results::count_graded(&mut tx, &[run.id]).await?;
        let done = done.get(&run.id).copied().unwrap_or(0);
        Ok(Answer(view_comparison(run, done, comparison)))
    }

    /// List the questions of an eval run
    ///
    /// Each as it was when the run began, with what was found and answered. Oldest question first.
    #[oai(
        path = "/tenants/:tenant_id/evals/runs/:run_id/results",
        method = "get",
        operation_id = "list_eval_results"
    )]
    async fn list_results(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The run.
        run_id: Path<Uuid>,
        /// Only those that found something expected, or only those that did not.
        hit: Query<Option<bool>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<ResultView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let run = eval_runs::get(&mut tx, run_id.0.into()).await?;
        let found = eval_results::list(&mut tx, run.id, hit.0, page.after, page.limit).await?;
        Ok(List::of(found, view_result))
    }

    /// Delete an eval run
    ///
    /// With its results. One that is not done ends.
    #[oai(
        path = "/tenants/:tenant_id/evals/runs/:run_id",
        method = "delete",
        operation_id = "delete_eval_run"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The run.
        run_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        if !eval_runs::delete(&mut tx, run_id.0.into()).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        Ok(Done)
    }
}

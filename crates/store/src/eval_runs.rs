//! Evaluations: one asking of a tenant's questions, with what it came to.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{Cursor, EvalRunId, EvalRunStatus, Page, RetrievalSettings};
use serde_json::Value;

/// One asking of a tenant's questions.
#[derive(Clone, Debug)]
pub struct EvalRun {
    /// Its id.
    pub id: EvalRunId,
    /// What it is called, at most 200 characters.
    pub name: String,
    /// Only questions with this tag; `None`: all.
    pub tag: Option<String>,
    /// How far it has come.
    pub status: EvalRunStatus,
    /// Why it was given up.
    pub error: Option<String>,
    /// How passages are found and ranked in it.
    pub retrieval: RetrievalSettings,
    /// Whether the tenant's model answers, too.
    pub answers: bool,
    /// The run it is compared with; `None`: the one before.
    pub compare_with: Option<EvalRunId>,
    /// Its questions.
    pub question_count: i32,
    /// What it came to; `None` until it is done.
    pub summary: Option<Summary>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker began it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done or given up.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What a run came to: means over its questions, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Questions that found something expected.
    pub hit_rate: f64,
    /// The reciprocal rank of the first expected passage.
    pub mrr: f64,
    /// nDCG of what was found.
    pub ndcg: f64,
    /// The share of expected phrases in the answers; `None` where no model answered.
    pub answer_score: Option<f64>,
}

/// A run to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: EvalRunId,
    /// What it is called.
    pub name: &'a str,
    /// Only questions with this tag.
    pub tag: Option<&'a str>,
    /// How passages are found and ranked in it.
    pub retrieval: &'a RetrievalSettings,
    /// Whether the tenant's model answers, too.
    pub answers: bool,
    /// The run it is compared with; `None`: the one before.
    pub compare_with: Option<EvalRunId>,
}

struct Row {
    id: EvalRunId,
    name: String,
    tag: Option<String>,
    status: String,
    error: Option<String>,
    retrieval: Value,
    answers: bool,
    compare_with: Option<EvalRunId>,
    question_count: i32,
    hit_rate: Option<f64>,
    mrr: Option<f64>,
    ndcg: Option<f64>,
    answer_score: Option<f64>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl Row {
    fn summary(&self) -> Option<Summary> {
        Some(Summary {
            hit_rate: self.hit_rate?,
            mrr: self.mrr?,
            ndcg: self.ndcg?,
            answer_score: self.answer_score,
        })
    }
}

impl TryFrom<Row> for EvalRun {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let summary = row.summary();
        let status = row
            .status
            .parse()
            .map_err(|_| Error::corrupt(format!("status of eval run {}", row.id)))?;
        let retrieval = serde_json::from_value(row.retrieval)
            .map_err(|_| Error::corrupt(format!("settings of eval run {}", row.id)))?;
        Ok(Self {
            id: row.id,
            name: row.name,
            tag: row.tag,
            status,
            error: row.error,
            retrieval,
            answers: row.answers,
            compare_with: row.compare_with,
            question_count: row.question_count,
            summary,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

/// Creates a run in the state `queued`, with no questions yet.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut TenantTx, run: &NewRun<'_>) -> Result<EvalRun> {
    let tenant = tx.tenant();
    let retrieval = serde_json::to_value(run.retrieval)
        .map_err(|_| Error::corrupt("the settings of an eval run"))?;
    sqlx::query_as!(
        Row,
        r#"
        INSERT INTO eval_runs (
            id, tenant_id, name, tag, retrieval, answers, compare_with
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id AS "id: EvalRunId", name, tag, status, error, retrieval, answers,
                  compare_with AS "compare_with: EvalRunId", question_count, hit_rate, mrr, ndcg,
                  answer_score, created_at, started_at, ended_at
        "#,
        run.id.as_uuid(),
        tenant.as_uuid(),
        run.name,
        run.tag,
        retrieval,
        run.answers,
        run.compare_with.map(EvalRunId::as_uuid),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Finds a run.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: EvalRunId) -> Result<Option<EvalRun>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: EvalRunId", name, tag, status, error, retrieval, answers,
               compare_with AS "compare_with: EvalRunId", question_count, hit_rate, mrr, ndcg,
               answer_score, created_at, started_at, ended_at
        FROM eval_runs
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(EvalRun::try_from)
    .transpose()
}

/// Gets a run.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx, id: EvalRunId) -> Result<EvalRun> {
    find(tx, id).await?.ok_or(Error::NotFound)
}

/// Finds the last run before `id` that is done.
///
/// # Errors
/// Those of the database.
pub async fn find_before(tx: &mut TenantTx, id: EvalRunId) -> Result<Option<EvalRun>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: EvalRunId", name, tag, status, error, retrieval, answers,
               compare_with AS "compare_with: EvalRunId", question_count, hit_rate, mrr, ndcg,
               answer_score, created_at, started_at, ended_at
        FROM eval_runs
        WHERE tenant_id = $1
          AND id < $2
          AND status = 'done'
        ORDER BY id DESC
        LIMIT 1
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(EvalRun::try_from)
    .transpose()
}

/// Lists a tenant's runs, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    before: Option<EvalRunId>,
    limit: usize,
) -> Result<Page<EvalRun>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: EvalRunId", name, tag, status, error, retrieval, answers,
               compare_with AS "compare_with: EvalRunId", question_count, hit_rate, mrr, ndcg,
               answer_score, created_at, started_at, ended_at
        FROM eval_runs
        WHERE tenant_id = $1
          AND ($2::uuid IS NULL OR id < $2)
        ORDER BY id DESC
        LIMIT $3
        "#,
        tenant.as_uuid(),
        before.map(EvalRunId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let runs = rows
        .into_iter()
        .map(EvalRun::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(runs, limit, |run| Cursor::after(run.id)))
}

/// Notes that a run is being made; `false` if it is over or gone.
///
/// # Errors
/// Those of the database.
pub async fn mark_running(tx: &mut TenantTx, id: EvalRunId) -> Result<bool> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        UPDATE eval_runs
        SET status = 'running',
            started_at = coalesce(started_at, now())
        WHERE tenant_id = $1
          AND id = $2
          AND status IN ('queued', 'running')
        ",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes what a run came to.
///
/// # Errors
/// Those of the database.
pub async fn finish(tx: &mut TenantTx, id: EvalRunId, summary: &Summary) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE eval_runs
        SET status = 'done',
            hit_rate = $3,
            mrr = $4,
            ndcg = $5,
            answer_score = $6,
            ended_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND status = 'running'
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        summary.hit_rate,
        summary.mrr,
        summary.ndcg,
        summary.answer_score,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes why a run was given up; does nothing if it is over.
///
/// # Errors
/// Those of the database.
pub async fn fail(tx: &mut TenantTx, id: EvalRunId, error: &str) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE eval_runs
        SET status = 'failed',
            error = $3,
            ended_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND status IN ('queued', 'running')
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        error,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes a run with its results; `false` if it is not there.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, id: EvalRunId) -> Result<bool> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "DELETE FROM eval_runs WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

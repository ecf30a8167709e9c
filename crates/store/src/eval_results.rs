//! The questions of an evaluation as they were when it began, each with what came of it.

use std::collections::HashMap;

use db::{Error, Result, TenantTx, Tx as _};
use domain::{Cursor, EvalFound, EvalQuestionId, EvalRunId, ExpectedSource, Page};
use serde_json::Value;
use uuid::Uuid;

use crate::eval_questions::read_sources;
use crate::eval_runs::Summary;

/// A question of a run that waits to be asked.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The question's id.
    pub question_id: EvalQuestionId,
    /// Its words.
    pub question: String,
    /// The passages it is to find.
    pub expected_sources: Vec<ExpectedSource>,
    /// What a right answer says.
    pub expected_phrases: Vec<String>,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Graded {
    /// Whether something expected was found.
    pub hit: bool,
    /// One divided by the rank of the first expected passage; 0 if there is none.
    pub reciprocal_rank: f64,
    /// nDCG of what was found, 0 to 1.
    pub ndcg: f64,
    /// The share of the phrases that the answer holds; `None` without answer or phrases.
    pub answer_score: Option<f64>,
    /// What the model said; `None` where it was not asked.
    pub answer: Option<String>,
    /// What was found, best first.
    pub found: Vec<EvalFound>,
}

/// A question of a run with what came of it.
#[derive(Clone, Debug)]
pub struct EvalResult {
    /// The question's id; the question itself may be gone.
    pub question_id: EvalQuestionId,
    /// Its words as they were.
    pub question: String,
    /// What came of it; `None` while it waits.
    pub graded: Option<Graded>,
}

/// A question that did better or worse than in another run.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The question's id.
    pub question_id: EvalQuestionId,
    /// Its words in the newer run.
    pub question: String,
    /// nDCG in the older run.
    pub ndcg_before: f64,
    /// nDCG in the newer run.
    pub ndcg_after: f64,
    /// The answer's score in the older run.
    pub answer_score_before: Option<f64>,
    /// The answer's score in the newer run.
    pub answer_score_after: Option<f64>,
}

impl Change {
    /// Whether it did worse; otherwise it did better.
    pub fn is_regression(&self) -> bool {
        // The answer is what counts for people, and the sources where there is none.
        match (self.answer_score_before, self.answer_score_after) {
            (Some(before), Some(after)) if differs(before, after) => after < before,
            _ => self.ndcg_after < self.ndcg_before,
        }
    }
}

/// Less than what one phrase or one rank makes.
const SAME: f64 = 1e-9;

fn differs(one: f64, other: f64) -> bool {
    (one - other).abs() > SAME
}

/// Copies the tenant's questions, or those with `tag`, into a run; says how many.
///
/// # Errors
/// Those of the database.
pub async fn copy_questions(tx: &mut TenantTx, run: EvalRunId, tag: Option<&str>) -> Result<i32> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        "
        WITH copied AS (
            INSERT INTO eval_results (
                run_id, question_id, tenant_id, question, expected_sources, expected_phrases
            )
            SELECT $2, id, tenant_id, question, expected_sources, expected_phrases
            FROM eval_questions
            WHERE tenant_id = $1
              AND ($3::text IS NULL OR $3 = ANY (tags))
            RETURNING question_id
        )
        UPDATE eval_runs
        SET question_count = (SELECT count(*) FROM copied)
        WHERE tenant_id = $1
          AND id = $2
        RETURNING question_count
        ",
        tenant.as_uuid(),
        run.as_uuid(),
        tag,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// The next questions of a run to be asked.
///
/// # Errors
/// Those of the database.
pub async fn list_pending(tx: &mut TenantTx, run: EvalRunId, limit: i64) -> Result<Vec<Pending>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"
        SELECT question_id AS "question_id: EvalQuestionId", question, expected_sources,
               expected_phrases
        FROM eval_results
        WHERE tenant_id = $1
          AND run_id = $2
          AND graded_at IS NULL
        ORDER BY question_id
        LIMIT $3
        "#,
        tenant.as_uuid(),
        run.as_uuid(),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Pending {
                question_id: row.question_id,
                question: row.question,
                expected_sources: read_sources(row.expected_sources)?,
                expected_phrases: row.expected_phrases,
            })
        })
        .collect()
}

/// Stores what came of a question; one that is graded keeps what it has.
///
/// # Errors
/// Those of the database.
pub async fn grade(
    tx: &mut TenantTx,
    run: EvalRunId,
    question: EvalQuestionId,
    graded: &Graded,
) -> Result<()> {
    let tenant = tx.tenant();
    let found = serde_json::to_value(&graded.found)
        .map_err(|_| Error::corrupt("what an eval question found"))?;
    sqlx::query!(
        "
        UPDATE eval_results
        SET graded_at = now(),
            hit = $4,
            reciprocal_rank = $5,
            ndcg = $6,
            answer_score = $7,
            answer = $8,
            found = $9
        WHERE tenant_id = $1
          AND run_id = $2
          AND question_id = $3
          AND graded_at IS NULL
        ",
        tenant.as_uuid(),
        run.as_uuid(),
        question.as_uuid(),
        graded.hit,
        graded.reciprocal_rank,
        graded.ndcg,
        graded.answer_score,
        graded.answer,
        found,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Counts the questions of these runs that are graded; a run with none is missing.
///
/// # Errors
/// Those of the database.
pub async fn count_graded(
    tx: &mut TenantTx,
    runs: &[EvalRunId],
) -> Result<HashMap<EvalRunId, i64>> {
    let tenant = tx.tenant();
    let ids: Vec<Uuid> = runs.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT run_id AS "run_id: EvalRunId", count(*) AS "count!"
        FROM eval_results
        WHERE tenant_id = $1
          AND run_id = ANY ($2)
          AND graded_at IS NOT NULL
        GROUP BY run_id
        "#,
        tenant.as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.run_id, row.count))
        .collect())
}

/// Sums up the graded questions of a run; all 0 if there are none.
///
/// # Errors
/// Those of the database.
pub async fn summarize(tx: &mut TenantTx, run: EvalRunId) -> Result<Summary> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Summary,
        r#"
        SELECT coalesce(avg(hit::integer), 0)::float8 AS "hit_rate!",
               coalesce(avg(reciprocal_rank), 0) AS "mrr!",
               coalesce(avg(ndcg), 0) AS "ndcg!",
               avg(answer_score) AS answer_score
        FROM eval_results
        WHERE tenant_id = $1
          AND run_id = $2
          AND graded_at IS NOT NULL
        "#,
        tenant.as_uuid(),
        run.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Lists the questions of a run, oldest first; with `hit`, only the graded ones that found
/// something expected, or did not.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    run: EvalRunId,
    hit: Option<bool>,
    after: Option<EvalQuestionId>,
    limit: usize,
) -> Result<Page<EvalResult>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT question_id AS "question_id: EvalQuestionId", question, hit, reciprocal_rank, ndcg,
               answer_score, answer, found
        FROM eval_results
        WHERE tenant_id = $1
          AND run_id = $2
          AND ($3::boolean IS NULL OR hit = $3)
          AND ($4::uuid IS NULL OR question_id > $4)
        ORDER BY question_id
        LIMIT $5
        "#,
        tenant.as_uuid(),
        run.as_uuid(),
        hit,
        after.map(EvalQuestionId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let results = rows
        .into_iter()
        .map(EvalResult::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(results, limit, |result| {
        Cursor::after(result.question_id)
    }))
}

struct Row {
    question_id: EvalQuestionId,
    question: String,
    hit: Option<bool>,
    reciprocal_rank: Option<f64>,
    ndcg: Option<f64>,
    answer_score: Option<f64>,
    answer: Option<String>,
    found: Option<Value>,
}

impl TryFrom<Row> for EvalResult {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let graded = match row.hit {
            None => None,
            Some(hit) => Some(Graded {
                hit,
                reciprocal_rank: row.reciprocal_rank.unwrap_or_default(),
                ndcg: row.ndcg.unwrap_or_default(),
                answer_score: row.answer_score,
                answer: row.answer,
                found: serde_json::from_value(row.found.unwrap_or_default())
                    .map_err(|_| Error::corrupt("what an eval question found"))?,
            }),
        };
        Ok(Self {
            question_id: row.question_id,
            question: row.question,
            graded,
        })
    }
}

/// The questions of both runs that did better or worse in the newer one, the oldest first, and at
/// most `limit`. Whoever was changed in between counts as another question.
///
/// # Errors
/// Those of the database.
pub async fn list_changes(
    tx: &mut TenantTx,
    older: EvalRunId,
    newer: EvalRunId,
    limit: i64,
) -> Result<Vec<Change>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Change,
        r#"
        SELECT newer.question_id AS "question_id: EvalQuestionId", newer.question,
               older.ndcg AS "ndcg_before!", newer.ndcg AS "ndcg_after!",
               older.answer_score AS answer_score_before, newer.answer_score AS answer_score_after
        FROM eval_results AS newer
        JOIN eval_results AS older ON older.tenant_id = $1
            AND older.run_id = $2
            AND older.question_id = newer.question_id
            AND older.question = newer.question
            AND older.expected_sources = newer.expected_sources
            AND older.expected_phrases = newer.expected_phrases
        WHERE newer.tenant_id = $1
          AND newer.run_id = $3
          AND newer.graded_at IS NOT NULL
          AND older.graded_at IS NOT NULL
          AND (abs(newer.ndcg - older.ndcg) > 1e-9
              OR abs(newer.answer_score - older.answer_score) > 1e-9)
        ORDER BY newer.question_id
        LIMIT $4
        "#,
        tenant.as_uuid(),
        older.as_uuid(),
        newer.as_uuid(),
        limit,
    )
    .fetch_all(tx.conn())
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(ndcg: (f64, f64), answers: (Option<f64>, Option<f64>)) -> Change {
        Change {
            question_id: EvalQuestionId::new(),
            question: "?".to_owned(),
            ndcg_before: ndcg.0,
            ndcg_after: ndcg.1,
            answer_score_before: answers.0,
            answer_score_after: answers.1,
        }
    }

    #[test]
    fn the_answer_decides_and_the_sources_where_it_is_the_same() {
        assert!(change((1.0, 0.5), (None, None)).is_regression());
        assert!(!change((0.5, 1.0), (None, Some(0.0))).is_regression());
        assert!(!change((1.0, 0.5), (Some(0.5), Some(1.0))).is_regression());
        assert!(change((0.5, 1.0), (Some(1.0), Some(0.5))).is_regression());
        assert!(change((1.0, 0.5), (Some(1.0), Some(1.0))).is_regression());
    }
}

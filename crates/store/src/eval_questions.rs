//! Questions that a tenant's documents are expected to answer.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{Cursor, EvalQuestionId, ExpectedSource, Page};
use serde_json::Value;

/// A question with what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalQuestion {
    /// Its id.
    pub id: EvalQuestionId,
    /// Its words, 1 to 2000 characters.
    pub question: String,
    /// The passages it is to find.
    pub expected_sources: Vec<ExpectedSource>,
    /// What a right answer says, word for word.
    pub expected_phrases: Vec<String>,
    /// What it is about, for runs of a part of the questions.
    pub tags: Vec<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a tenant says of a question.
#[derive(Clone, Debug)]
pub struct QuestionValues {
    /// Its words, 1 to 2000 characters.
    pub question: String,
    /// The passages it is to find.
    pub expected_sources: Vec<ExpectedSource>,
    /// What a right answer says.
    pub expected_phrases: Vec<String>,
    /// What it is about.
    pub tags: Vec<String>,
}

struct Row {
    id: EvalQuestionId,
    question: String,
    expected_sources: Value,
    expected_phrases: Vec<String>,
    tags: Vec<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for EvalQuestion {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            question: row.question,
            expected_sources: read_sources(row.expected_sources)?,
            expected_phrases: row.expected_phrases,
            tags: row.tags,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

pub(crate) fn read_sources(stored: Value) -> Result<Vec<ExpectedSource>> {
    serde_json::from_value(stored)
        .map_err(|_| Error::corrupt("the expected sources of an eval question"))
}

fn write_sources(sources: &[ExpectedSource]) -> Result<Value> {
    serde_json::to_value(sources)
        .map_err(|_| Error::corrupt("the expected sources of an eval question"))
}

/// Stores questions, in the order given.
///
/// # Errors
/// Those of the database.
pub async fn insert_many(
    tx: &mut TenantTx,
    questions: &[QuestionValues],
) -> Result<Vec<EvalQuestionId>> {
    let mut ids = Vec::with_capacity(questions.len());
    for question in questions {
        let id = EvalQuestionId::new();
        insert(tx, id, question).await?;
        ids.push(id);
    }
    Ok(ids)
}

async fn insert(tx: &mut TenantTx, id: EvalQuestionId, values: &QuestionValues) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO eval_questions (
            id, tenant_id, question, expected_sources, expected_phrases, tags
        )
        VALUES ($1, $2, $3, $4, $5, $6)
        ",
        id.as_uuid(),
        tenant.as_uuid(),
        values.question,
        write_sources(&values.expected_sources)?,
        &values.expected_phrases,
        &values.tags,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gets a question.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx, id: EvalQuestionId) -> Result<EvalQuestion> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: EvalQuestionId", question, expected_sources, expected_phrases, tags,
               created_at, updated_at
        FROM eval_questions
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Counts a tenant's questions.
///
/// # Errors
/// Those of the database.
pub async fn count(tx: &mut TenantTx) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM eval_questions WHERE tenant_id = $1"#,
        tenant.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Lists a tenant's questions, oldest first; with `tag`, only those that have it.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    tag: Option<&str>,
    after: Option<EvalQuestionId>,
    limit: usize,
) -> Result<Page<EvalQuestion>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: EvalQuestionId", question, expected_sources, expected_phrases, tags,
               created_at, updated_at
        FROM eval_questions
        WHERE tenant_id = $1
          AND ($2::text IS NULL OR $2 = ANY (tags))
          AND ($3::uuid IS NULL OR id > $3)
        ORDER BY id
        LIMIT $4
        "#,
        tenant.as_uuid(),
        tag,
        after.map(EvalQuestionId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let questions = rows
        .into_iter()
        .map(EvalQuestion::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(questions, limit, |question| {
        Cursor::after(question.id)
    }))
}

/// Changes a question. Runs that have it keep it as it was.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn update(
    tx: &mut TenantTx,
    id: EvalQuestionId,
    values: &QuestionValues,
) -> Result<EvalQuestion> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        UPDATE eval_questions
        SET question = $3,
            expected_sources = $4,
            expected_phrases = $5,
            tags = $6,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: EvalQuestionId", question, expected_sources, expected_phrases, tags,
                  created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
        values.question,
        write_sources(&values.expected_sources)?,
        &values.expected_phrases,
        &values.tags,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Deletes a question; `false` if it is not there. Runs that have it keep it.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, id: EvalQuestionId) -> Result<bool> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "DELETE FROM eval_questions WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

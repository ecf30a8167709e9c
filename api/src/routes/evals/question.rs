use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{DocumentId, EvalQuestionId, ExpectedSource};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use store::documents;
use store::eval_questions::{self, EvalQuestion, QuestionValues};
use uuid::Uuid;

use super::super::Tag;
use crate::Problem;
use crate::answer::{Answer, Created, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};

/// The most questions of one import.
const MAX_IMPORT: usize = 1000;
/// The most questions of one tenant.
const MAX_QUESTIONS: usize = 10_000;
/// The most sources, phrases or tags of one question.
const MAX_LIST: usize = 10;
/// The longest question, source text or phrase, in characters.
const MAX_TEXT_CHARS: usize = 2000;
/// The longest tag, in characters.
const MAX_TAG_CHARS: usize = 64;

/// A question with what is expected of it.
#[derive(Debug, Object)]
#[oai(rename = "EvalQuestion")]
struct QuestionView {
    /// Its id.
    id: Uuid,
    /// Its words.
    question: String,
    /// The passages it is to find.
    expected_sources: Vec<SourceBody>,
    /// What a right answer says, word for word.
    expected_phrases: Vec<String>,
    /// What it is about.
    tags: Vec<String>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// A passage that a question is to find: of a document, with certain words, or both.
#[derive(Clone, Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "ExpectedSource")]
struct SourceBody {
    /// The document it stands in; missing: any.
    document_id: Option<Uuid>,
    /// Words it holds, 1 to 2000 characters; missing: any. Case, white space and the form of quotes
    /// and dashes do not count. Keep it to a sentence: it has to stand in one passage.
    text: Option<String>,
}

/// A question to be asked of a tenant's documents. It needs an expected source or phrase.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct QuestionBody {
    /// Its words, 1 to 2000 characters.
    question: String,
    /// The passages it is to find, at most 10. Without any, the phrases are what passages have to
    /// hold.
    #[serde(default)]
    #[oai(default)]
    expected_sources: Vec<SourceBody>,
    /// What a right answer says, at most 10 phrases of 1 to 2000 characters. An answer is graded by
    /// how many of them it holds, word for word but for case, white space and the form of quotes.
    #[serde(default)]
    #[oai(default)]
    expected_phrases: Vec<String>,
    /// What it is about, for runs of a part of the questions; at most 10 tags of 1 to 64 characters.
    #[serde(default)]
    #[oai(default)]
    tags: Vec<String>,
}

impl poem_openapi::types::Example for QuestionBody {
    fn example() -> Self {
        Self {
            question: "How long do I have to return an item?".to_owned(),
            expected_sources: vec![SourceBody {
                document_id: None,
                text: Some("within 30 days of delivery".to_owned()),
            }],
            expected_phrases: vec!["30 days".to_owned()],
            tags: vec!["returns".to_owned()],
        }
    }
}

/// A change to a question; what is missing stays.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateQuestion {
    /// Its words, 1 to 2000 characters.
    question: Option<String>,
    /// The passages it is to find, all of them.
    expected_sources: Option<Vec<SourceBody>>,
    /// What a right answer says, all of it.
    expected_phrases: Option<Vec<String>>,
    /// What it is about, all of it.
    tags: Option<Vec<String>>,
}

/// Questions to be added together.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportQuestions {
    /// The questions, 1 to 1000.
    questions: Vec<QuestionBody>,
}

/// Questions that were added.
#[derive(Debug, Object)]
struct ImportedQuestions {
    /// Their ids, in the order in which they were sent.
    ids: Vec<Uuid>,
}

pub(crate) struct EvalQuestionRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Evals")]
impl EvalQuestionRoutes {
    /// Add an eval question
    #[oai(
        path = "/tenants/:tenant_id/evals/questions",
        method = "post",
        operation_id = "create_eval_question"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<QuestionBody>,
    ) -> Result<Created<QuestionView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let mut checks = Checks::default();
        let values = values(body.value, "", &mut checks);
        let ids = add(&mut tx, vec![values], checks).await?;
        let Some(id) = ids.first() else {
            return Err(Problem::internal("a question that was added has no id"));
        };
        let question = eval_questions::get(&mut tx, *id).await?;
        tx.commit().await?;
        Ok(Answer(view(question)))
    }

    /// Add many eval questions
    ///
    /// All of them or none.
    #[oai(
        path = "/tenants/:tenant_id/evals/questions/import",
        method = "post",
        operation_id = "import_eval_questions"
    )]
    async fn import(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        body: JsonBody<ImportQuestions>,
    ) -> Result<Created<ImportedQuestions>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let questions = body.value.questions;
        let mut checks = Checks::default();
        let fits = (1..=MAX_IMPORT).contains(&questions.len());
        let detail = format!("must list 1 to {MAX_IMPORT} questions");
        checks.require(fits, "questions", detail);
        let mut all = Vec::with_capacity(questions.len());
        for (at, question) in questions.into_iter().enumerate() {
            all.push(values(question, &format!("questions[{at}]."), &mut checks));
        }
        let ids = add(&mut tx, all, checks).await?;
        tx.commit().await?;
        Ok(Answer(ImportedQuestions {
            ids: ids.into_iter().map(EvalQuestionId::as_uuid).collect(),
        }))
    }

    /// List a tenant's eval questions
    ///
    /// Oldest first.
    #[oai(
        path = "/tenants/:tenant_id/evals/questions",
        method = "get",
        operation_id = "list_eval_questions"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only those with this tag.
        tag: Query<Option<String>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<QuestionView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut checks = Checks::default();
        let tag = tag.0.map(|tag| checks.text("tag", &tag, MAX_TAG_CHARS));
        checks.finish()?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let found = eval_questions::list(&mut tx, tag.as_deref(), page.after, page.limit).await?;
        Ok(List::of(found, view))
    }

    /// Get an eval question
    #[oai(
        path = "/tenants/:tenant_id/evals/questions/:question_id",
        method = "get",
        operation_id = "get_eval_question"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The question.
        question_id: Path<Uuid>,
    ) -> Result<Found<QuestionView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let question = eval_questions::get(&mut tx, question_id.0.into()).await?;
        Ok(Answer(view(question)))
    }

    /// Change an eval question
    ///
    /// What the body does not name stays as it is. Runs keep the question as it was; in a comparison
    /// it counts as another one.
    #[oai(
        path = "/tenants/:tenant_id/evals/questions/:question_id",
        method = "put",
        operation_id = "update_eval_question"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The question.
        question_id: Path<Uuid>,
        body: JsonBody<UpdateQuestion>,
    ) -> Result<Found<QuestionView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let id = EvalQuestionId::from(question_id.0);
        let old = view(eval_questions::get(&mut tx, id).await?);
        let change = body.value;
        let new = QuestionBody {
            question: change.question.unwrap_or(old.question),
            expected_sources: change.expected_sources.unwrap_or(old.expected_sources),
            expected_phrases: change.expected_phrases.unwrap_or(old.expected_phrases),
            tags: change.tags.unwrap_or(old.tags),
        };
        let mut checks = Checks::default();
        let values = values(new, "", &mut checks);
        check_documents(&mut tx, std::slice::from_ref(&values), &mut checks).await?;
        checks.finish()?;
        let question = eval_questions::update(&mut tx, id, &values).await?;
        tx.commit().await?;
        Ok(Answer(view(question)))
    }

    /// Delete an eval question
    ///
    /// Runs keep it.
    #[oai(
        path = "/tenants/:tenant_id/evals/questions/:question_id",
        method = "delete",
        operation_id = "delete_eval_question"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The question.
        question_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        if !eval_questions::delete(&mut tx, question_id.0.into()).await? {
            return Err(Problem::not_found());
        }
        tx.commit().await?;
        Ok(Done)
    }
}

/// Stores questions once everything about them holds.
async fn add(
    tx: &mut TenantTx,
    questions: Vec<QuestionValues>,
    mut checks: Checks,
) -> Result<Vec<EvalQuestionId>, Problem> {
    check_documents(tx, &questions, &mut checks).await?;
    checks.finish()?;
    let there = eval_questions::count(tx).await?;
    let there = usize::try_from(there).unwrap_or(usize::MAX);
    if there.saturating_add(questions.len()) > MAX_QUESTIONS {
        let detail = format!("A tenant may have at most {MAX_QUESTIONS} eval questions.");
        return Err(Problem::conflict("too_many_questions", detail));
    }
    Ok(eval_questions::insert_many(tx, &questions).await?)
}

/// Reads a question; what does not hold is noted, under `prefix`.
fn values(body: QuestionBody, prefix: &str, checks: &mut Checks) -> QuestionValues {
    let field = |name: &str| format!("{prefix}{name}");
    let question = checks.text(&field("question"), &body.question, MAX_TEXT_CHARS);
    let has_any = !body.expected_sources.is_empty() || !body.expected_phrases.is_empty();
    let detail = "must name a source, or `expected_phrases` a phrase";
    checks.require(has_any, &field("expected_sources"), detail);
    for (name, length) in [
        ("expected_sources", body.expected_sources.len()),
        ("expected_phrases", body.expected_phrases.len()),
        ("tags", body.tags.len()),
    ] {
        let detail = format!("must list at most {MAX_LIST}");
        checks.require(length <= MAX_LIST, &field(name), detail);
    }
    let mut texts = |name: &str, list: Vec<String>, max: usize| -> Vec<String> {
        let all = list.into_iter().enumerate();
        all.map(|(at, text)| checks.text(&field(&format!("{name}[{at}]")), &text, max))
            .collect()
    };
    let expected_phrases = texts("expected_phrases", body.expected_phrases, MAX_TEXT_CHARS);
    let tags = texts("tags", body.tags, MAX_TAG_CHARS);
    let sources = body.expected_sources.into_iter().enumerate();
    let expected_sources = sources
        .map(|(at, source)| {
            let name = field(&format!("expected_sources[{at}]"));
            expected_source(source, &name, checks)
        })
        .collect();
    QuestionValues {
        question,
        expected_sources,
        expected_phrases,
        tags,
    }
}

fn expected_source(body: SourceBody, name: &str, checks: &mut Checks) -> ExpectedSource {
    let has_any = body.document_id.is_some() || body.text.is_some();
    checks.require(has_any, name, "must have `document_id`, `text`, or both");
    let text = body.text;
    ExpectedSource {
        document_id: body.document_id.map(Into::into),
        text: text.map(|text| checks.text(&format!("{name}.text"), &text, MAX_TEXT_CHARS)),
    }
}

/// Notes documents that are not there: a question that waits for one can never be answered.
async fn check_documents(
    tx: &mut TenantTx,
    questions: &[QuestionValues],
    checks: &mut Checks,
) -> Result<(), Problem> {
    let named = questions
        .iter()
        .flat_map(|question| &question.expected_sources);
    let mut ids: Vec<DocumentId> = named.filter_map(|source| source.document_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let missing = documents::list_missing(tx, &ids).await?;
    for id in missing {
        let detail = format!("name the document {id}, which is not there");
        checks.require(false, "expected_sources", detail);
    }
    Ok(())
}

fn view(question: EvalQuestion) -> QuestionView {
    let sources = question.expected_sources.into_iter();
    QuestionView {
        id: question.id.as_uuid(),
        question: question.question,
        expected_sources: sources
            .map(|source| SourceBody {
                document_id: source.document_id.map(DocumentId::as_uuid),
                text: source.text,
            })
            .collect(),
        expected_phrases: question.expected_phrases,
        tags: question.tags,
        created_at: question.created_at,
        updated_at: question.updated_at,
    }
}

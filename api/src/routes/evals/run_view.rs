use assistant::evals::Comparison;
use chrono::{DateTime, Utc};
use domain::{EvalFound, EvalRunId, EvalRunStatus, RetrievalSettings};
use poem_openapi::{Enum, Object};
use store::eval_results::{Change, EvalResult};
use store::eval_runs::{EvalRun, Summary};
use uuid::Uuid;

use super::super::retrieval::Fusion;

/// How far an evaluation has come.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "EvalRunStatus")]
enum Status {
    /// Waits for a worker.
    Queued,
    /// Its questions are being asked.
    Running,
    /// Every question is graded.
    Done,
    /// Given up; `error` says why.
    Failed,
}

/// An evaluation.
#[derive(Debug, Object)]
#[oai(rename = "EvalRun")]
pub(super) struct RunView {
    /// Its id.
    id: Uuid,
    /// What it is called; may be empty.
    name: String,
    /// Only questions with this tag; `null`: all.
    tag: Option<String>,
    /// How far it has come.
    status: Status,
    /// Why it was given up, for people.
    error: Option<String>,
    /// How passages are found and ranked in it.
    retrieval: RetrievalUsed,
    /// Whether the tenant's model answers, too.
    answers: bool,
    /// Its questions.
    question_count: i32,
    /// Those of them that are graded.
    done_count: i64,
    /// What it came to; `null` until it is done.
    summary: Option<SummaryView>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When a worker began it.
    started_at: Option<DateTime<Utc>>,
    /// When it was done or given up.
    ended_at: Option<DateTime<Utc>>,
}

/// How passages were found and ranked.
#[derive(Debug, Object)]
struct RetrievalUsed {
    /// How many passages at most.
    top_k: u32,
    /// Weight of the keyword score.
    keyword_weight: f64,
    /// Weight of the vector score.
    vector_weight: f64,
    /// Passages with a lower cosine similarity counted as not found by vector.
    min_similarity: f64,
    /// How both rankings became one.
    fusion: Fusion,
}

/// What a run came to: means over its questions, 0 to 1.
#[derive(Debug, Object)]
#[oai(rename = "EvalSummary")]
struct SummaryView {
    /// The share of questions that found something expected.
    hit_rate: f64,
    /// The mean reciprocal rank: 1 if what was expected stood first, 0.5 if second, …
    mrr: f64,
    /// nDCG: 1 if everything expected was found, and stood first.
    ndcg: f64,
    /// The share of the expected phrases in the answers; `null` where no model answered.
    answer_score: Option<f64>,
}

/// An evaluation, held against another one.
#[derive(Debug, Object)]
#[oai(rename = "EvalRunWithComparison")]
pub(super) struct RunWithComparison {
    /// The evaluation.
    run: RunView,
    /// How it compares; `null`: there is no other one to compare it with, or it is not done.
    comparison: Option<ComparisonView>,
}

/// A run held against another one.
#[derive(Debug, Object)]
#[oai(rename = "EvalComparison")]
struct ComparisonView {
    /// The other one.
    run_id: Uuid,
    /// What it is called.
    name: String,
    /// What it came to.
    summary: Option<SummaryView>,
    /// Questions that did worse than in the other one.
    regressed: Vec<ChangeView>,
    /// Questions that did better.
    improved: Vec<ChangeView>,
}

/// A question that did better or worse than in another run.
#[derive(Debug, Object)]
#[oai(rename = "EvalChange")]
struct ChangeView {
    /// The question's id.
    question_id: Uuid,
    /// Its words.
    question: String,
    /// nDCG in the other run.
    ndcg_before: f64,
    /// nDCG in this one.
    ndcg_after: f64,
    /// The answer's score in the other run.
    answer_score_before: Option<f64>,
    /// The answer's score in this one. Where both runs have one and they differ, it decides.
    answer_score_after: Option<f64>,
}

/// A question of a run with what came of it.
#[derive(Debug, Object)]
#[oai(rename = "EvalResult")]
pub(super) struct ResultView {
    /// The question's id; the question itself may be gone.
    question_id: Uuid,
    /// Its words as they were.
    question: String,
    /// Whether it is graded; everything below is `null` or empty until then.
    done: bool,
    /// Whether something expected was found.
    hit: Option<bool>,
    /// One divided by the rank of the first expected passage; 0 without one.
    reciprocal_rank: Option<f64>,
    /// nDCG of what was found.
    ndcg: Option<f64>,
    /// The share of the expected phrases in the answer; `null` without answer or phrases.
    answer_score: Option<f64>,
    /// What the model said; `null` where it was not asked, empty where it said nothing.
    answer: Option<String>,
    /// What was found, best first.
    found: Vec<FoundView>,
}

/// A passage that a question found.
#[derive(Debug, Object)]
#[oai(rename = "EvalFound")]
struct FoundView {
    /// Its document.
    document_id: Uuid,
    /// The passage itself; another version of the document has other ones.
    chunk_id: Uuid,
    /// The document's title, or its name.
    title: String,
    /// The page it starts on, from 1.
    page: Option<i32>,
    /// The headings it stands under.
    heading: Option<String>,
    /// How well it fits, 0 to 1.
    score: f64,
    /// Whether it is one that was expected.
    expected: bool,
    /// The start of its text.
    excerpt: String,
}

pub(super) fn view(run: EvalRun, done_count: i64) -> RunView {
    RunView {
        id: run.id.as_uuid(),
        name: run.name,
        tag: run.tag,
        status: match run.status {
            EvalRunStatus::Queued => Status::Queued,
            EvalRunStatus::Running => Status::Running,
            EvalRunStatus::Done => Status::Done,
            EvalRunStatus::Failed => Status::Failed,
        },
        error: run.error,
        retrieval: view_retrieval(&run.retrieval),
        answers: run.answers,
        question_count: run.question_count,
        done_count,
        summary: run.summary.map(view_summary),
        created_at: run.created_at,
        started_at: run.started_at,
        ended_at: run.ended_at,
    }
}

fn view_retrieval(settings: &RetrievalSettings) -> RetrievalUsed {
    RetrievalUsed {
        top_k: settings.top_k,
        keyword_weight: settings.keyword_weight,
        vector_weight: settings.vector_weight,
        min_similarity: settings.min_similarity,
        fusion: settings.fusion.into(),
    }
}

fn view_summary(summary: Summary) -> SummaryView {
    SummaryView {
        hit_rate: summary.hit_rate,
        mrr: summary.mrr,
        ndcg: summary.ndcg,
        answer_score: summary.answer_score,
    }
}

pub(super) fn view_comparison(
    run: EvalRun,
    done_count: i64,
    comparison: Option<Comparison>,
) -> RunWithComparison {
    RunWithComparison {
        run: view(run, done_count),
        comparison: comparison.map(|Comparison { with, changes }| {
            let (regressed, improved): (Vec<_>, Vec<_>) =
                changes.into_iter().partition(Change::is_regression);
            ComparisonView {
                run_id: EvalRunId::as_uuid(with.id),
                name: with.name,
                summary: with.summary.map(view_summary),
                regressed: regressed.into_iter().map(view_change).collect(),
                improved: improved.into_iter().map(view_change).collect(),
            }
        }),
    }
}

fn view_change(change: Change) -> ChangeView {
    ChangeView {
        question_id: change.question_id.as_uuid(),
        question: change.question,
        ndcg_before: change.ndcg_before,
        ndcg_after: change.ndcg_after,
        answer_score_before: change.answer_score_before,
        answer_score_after: change.answer_score_after,
    }
}

pub(super) fn view_result(result: EvalResult) -> ResultView {
    let graded = result.graded;
    let (hit, reciprocal_rank, ndcg) = match &graded {
        Some(graded) => (
            Some(graded.hit),
            Some(graded.reciprocal_rank),
            Some(graded.ndcg),
        ),
        None => (None, None, None),
    };
    let (answer_score, answer, found) = match graded {
        Some(graded) => (graded.answer_score, graded.answer, graded.found),
        None => (None, None, Vec::new()),
    };
    ResultView {
        question_id: result.question_id.as_uuid(),
        question: result.question,
        done: hit.is_some(),
        hit,
        reciprocal_rank,
        ndcg,
        answer_score,
        answer,
        found: found.into_iter().map(view_found).collect(),
    }
}

fn view_found(found: EvalFound) -> FoundView {
    FoundView {
        document_id: found.document_id.as_uuid(),
        chunk_id: found.chunk_id.as_uuid(),
        title: found.title,
        page: found.page,
        heading: found.heading,
        score: found.score,
        expected: found.expected,
        excerpt: found.excerpt,
    }
}

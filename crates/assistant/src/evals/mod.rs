//! Evaluations: a tenant's questions are asked of its documents, what is found and answered is held
//! against what was expected, and two runs are held against each other.

mod grade;

use std::time::{Duration, Instant};

use db::TenantTx;
use domain::{CallPurpose, EvalFound, EvalRunId, RagMode, RetrievalSettings, TenantId};
use jobs::kinds::RunEval;
use jobs::{DeadJob, Failure, JobHandle};
use llm::Error as ModelError;
use store::eval_results::{self, Change, Graded, Pending};
use store::eval_runs::{self, EvalRun, NewRun};

use crate::answer::{Asking, Chosen, Prompt, Shown, Stopped, choose, rag_mode};
use crate::ingest::search::{self, Found, Query};
use crate::spending::{About, Calls};
use crate::{Assistant, Error, TenantProfile};
use grade::{Grades, answer_score};

/// How many questions are asked before what came of them is stored.
const BATCH: i64 = 20;
/// How long one run of the job goes on before it lets others have their turn.
const SLICE: Duration = Duration::from_mins(2);
/// How long a model may take for one answer.
const ANSWER_TIME: Duration = Duration::from_mins(1);
/// How many changed questions a comparison names.
const MAX_CHANGES: i64 = 1000;
/// How much of a passage a result shows.
const EXCERPT_CHARS: usize = 240;

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is called, at most 200 characters.
    pub name: String,
    /// Only questions with this tag; `None`: all.
    pub tag: Option<String>,
    /// How passages are found and ranked in it.
    pub retrieval: RetrievalSettings,
    /// Whether the tenant's model answers, too, which costs what its answers cost.
    pub answers: bool,
    /// The run it is compared with; `None`: the one before.
    pub compare_with: Option<EvalRunId>,
}

/// Begins a run of the questions that there are at this moment, within the caller's transaction.
///
/// # Errors
/// [`Error::Refused`] if there is no question, and those of the database: `NotFound` if the run to
/// compare with is not there.
pub async fn start(tx: &mut TenantTx, plan: &Plan) -> Result<EvalRun, Error> {
    if let Some(other) = plan.compare_with {
        eval_runs::get(tx, other).await?;
    }
    let id = EvalRunId::new();
    let new = NewRun {
        id,
        name: &plan.name,
        tag: plan.tag.as_deref(),
        retrieval: &plan.retrieval,
        answers: plan.answers,
        compare_with: plan.compare_with,
    };
    eval_runs::insert(tx, &new).await?;
    if eval_results::copy_questions(tx, id, plan.tag.as_deref()).await? == 0 {
        return Err(Error::Refused("There are no questions to ask.".to_owned()));
    }
    let job = RunEval {
        tenant_id: tx.tenant(),
        run_id: id,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(eval_runs::get(tx, id).await?)
}

/// Asks the questions of a run that wait, and sums up once none does.
///
/// # Errors
/// A retry for what may pass; a snooze where there are many questions, to let others go first.
pub async fn run(assistant: &Assistant, handle: &JobHandle, job: RunEval) -> Result<(), Failure> {
    let Some((run, profile)) = begin(assistant, handle, &job).await? else {
        return Ok(());
    };
    let exam = Exam {
        assistant,
        tenant: job.tenant_id,
        run,
        profile,
    };
    let until = Instant::now() + SLICE;
    loop {
        let mut tx = assistant.db.tenant(job.tenant_id).await?;
        // An answer takes long and costs: each is stored by itself.
        let limit = if exam.run.answers { 1 } else { BATCH };
        let pending = eval_results::list_pending(&mut tx, job.run_id, limit).await?;
        drop(tx);
        if pending.is_empty() {
            return finish(assistant, handle, &job).await;
        }
        let mut graded = Vec::with_capacity(pending.len());
        for question in &pending {
            handle.check_lease()?;
            match exam.ask(question).await {
                Ok(result) => graded.push((question.question_id, result)),
                Err(Unable::Passing(failure)) => return Err(failure),
                Err(Unable::Lasting(why)) => return give_up(assistant, handle, &job, &why).await,
            }
        }
        let mut tx = assistant.db.tenant(job.tenant_id).await?;
        handle.fence(&mut tx).await?;
        for (question, result) in &graded {
            eval_results::grade(&mut tx, job.run_id, *question, result).await?;
        }
        tx.commit().await?;
        if Instant::now() > until {
            return Err(Failure::snooze(
                Duration::from_millis(100),
                "has asked for a while and lets others go first",
            ));
        }
    }
}

/// Finds the run; `None` if it is over or gone.
async fn begin(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &RunEval,
) -> Result<Option<(EvalRun, TenantProfile)>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    if !eval_runs::mark_running(&mut tx, job.run_id).await? {
        return Ok(None);
    }
    let run = eval_runs::get(&mut tx, job.run_id).await?;
    let mut profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
    profile.settings.retrieval = run.retrieval.clone();
    tx.commit().await?;
    Ok(Some((run, profile)))
}

async fn finish(assistant: &Assistant, handle: &JobHandle, job: &RunEval) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let summary = eval_results::summarize(&mut tx, job.run_id).await?;
    eval_runs::finish(&mut tx, job.run_id, &summary).await?;
    Ok(tx.commit().await?)
}

async fn give_up(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &RunEval,
    why: &str,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    eval_runs::fail(&mut tx, job.run_id, why).await?;
    Ok(tx.commit().await?)
}

/// Makes the death of a run's job visible on the run, in the transaction that buries it.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(_assistant: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<RunEval>() else {
        return Ok(());
    };
    let why = "The evaluation could not be finished. Start it again.";
    eval_runs::fail(tx, job.run_id, why).await
}

/// Why a question cannot be asked.
enum Unable {
    Passing(Failure),
    Lasting(String),
}

impl From<db::Error> for Unable {
    fn from(error: db::Error) -> Self {
        Self::Passing(error.into())
    }
}

/// A run with all that its questions are asked with.
struct Exam<'a> {
    assistant: &'a Assistant,
    tenant: TenantId,
    run: EvalRun,
    /// The tenant, with the run's way to find passages.
    profile: TenantProfile,
}

impl Exam<'_> {
    async fn ask(&self, question: &Pending) -> Result<Graded, Unable> {
        let query = Query {
            text: &question.question,
            settings: &self.run.retrieval,
            documents: None,
        };
        let found = search::find(self.assistant, self.tenant, &query).await?;
        let grades = Grades::of(question, &found.passages, self.run.retrieval.top_k);
        let shown = shown(&found, &grades);
        let answer = if self.run.answers {
            Some(self.answer(question, found).await?)
        } else {
            None
        };
        Ok(Graded {
            hit: grades.hit(),
            reciprocal_rank: grades.reciprocal_rank(),
            ndcg: grades.ndcg(),
            answer_score: answer
                .as_deref()
                .and_then(|answer| answer_score(answer, &question.expected_phrases)),
            answer,
            found: shown,
        })
    }

    /// What the tenant's model says, as to a contact who writes this first; nothing if it says
    /// nothing.
    async fn answer(&self, question: &Pending, found: Found) -> Result<String, Unable> {
        let about = About {
            tenant: self.tenant,
            purpose: CallPurpose::Eval,
            conversation: None,
            budget: self.profile.settings.budget,
        };
        let calls = Calls::begin(self.assistant, about);
        let answer = self.answer_by(&calls, question, found).await;
        calls.close().await;
        answer
    }

    async fn answer_by(
        &self,
        calls: &Calls,
        question: &Pending,
        found: Found,
    ) -> Result<String, Unable> {
        let settings = &self.profile.settings;
        let chosen = choose(self.assistant, self.tenant, &self.profile, calls);
        let Chosen { model, context } = chosen.await.map_err(|failure| match failure {
            Failure::Dead(reason) => Unable::Lasting(reason),
            passing => Unable::Passing(passing),
        })?;
        let mode = rag_mode(settings, model.as_ref());
        let passages = match mode {
            RagMode::Context => found.into_passages(),
            RagMode::Off | RagMode::Tool => Vec::new(),
        };
        let asking = Asking {
            assistant: self.assistant,
            tenant: self.tenant,
            calls,
            prompt: Prompt {
                profile: &self.profile,
                history: &[],
                question: &question.question,
                was_searched: mode == RagMode::Context,
            },
            model,
            context,
            has_tools: mode == RagMode::Tool,
            may_hand_off: false,
            deadline: tokio::time::Instant::now() + ANSWER_TIME,
        };
        let mut nobody = Shown::to_nobody();
        let work = asking.ask(passages, &mut nobody, || Ok(()));
        match tokio::time::timeout_at(asking.deadline, work).await {
            Ok(Ok(answered)) => Ok(answered.text),
            Ok(Err(Stopped::Empty(_) | Stopped::Model(ModelError::ContextTooLong { .. })))
            | Err(_) => Ok(String::new()),
            Ok(Err(Stopped::Lost(failure))) => Err(Unable::Passing(failure)),
            Ok(Err(Stopped::Model(error))) if error.is_transient() => {
                Err(Unable::Passing(match error.retry_after() {
                    Some(after) => Failure::retry_after(after, error),
                    None => Failure::retry(error),
                }))
            }
            Ok(Err(Stopped::Model(error))) => Err(Unable::Lasting(sentence(&error))),
        }
    }
}

fn sentence(error: &ModelError) -> String {
    format!("The model cannot answer: {error}.")
}

/// What was found as results show it.
fn shown(found: &Found, grades: &Grades) -> Vec<EvalFound> {
    found
        .passages
        .iter()
        .zip(grades.expected())
        .map(|(found, expected)| {
            let passage = &found.passage;
            EvalFound {
                document_id: passage.document_id,
                chunk_id: passage.chunk_id,
                title: passage.title.clone(),
                page: passage.page,
                heading: passage.heading.clone(),
                score: found.scores.last(),
                expected,
                excerpt: passage.text.chars().take(EXCERPT_CHARS).collect(),
            }
        })
        .collect()
}

/// A run held against another one.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The other one.
    pub with: EvalRun,
    /// The questions of both that did better or worse; 1000 at most.
    pub changes: Vec<Change>,
}

/// Holds a run against `with`, else against the one it was to be compared with, else against the last
/// one before it. `None`: there is none, or one of them is not done.
///
/// # Errors
/// Those of the database: `NotFound` if `with` is not there.
pub async fn compare(
    tx: &mut TenantTx,
    run: &EvalRun,
    with: Option<EvalRunId>,
) -> Result<Option<Comparison>, Error> {
    let other = match (with, run.compare_with) {
        (Some(with), _) => Some(eval_runs::get(tx, with).await?),
        (None, Some(with)) => eval_runs::find(tx, with).await?,
        (None, None) => eval_runs::find_before(tx, run.id).await?,
    };
    let Some(other) = other.filter(|other| other.summary.is_some() && run.summary.is_some()) else {
        return Ok(None);
    };
    let changes = eval_results::list_changes(tx, other.id, run.id, MAX_CHANGES).await?;
    Ok(Some(Comparison {
        with: other,
        changes,
    }))
}

//! Questions are asked of the documents, graded, and held against the run before.

use std::sync::Arc;

use assistant::evals::{self, Plan};
use domain::{DocumentStatus, EvalRunId, EvalRunStatus, ExpectedSource, RetrievalSettings};
use llm::HashedNgrams;
use store::documents::DocumentFilter;
use store::eval_questions::{self, QuestionValues};
use store::eval_results::{self, EvalResult, Graded};
use store::eval_runs::{self, EvalRun};
use testkit::standin::{OpenAiBehaviour, OpenAiFault};

use crate::looks::eventually;
use crate::stage::{Stage, settings};

const RETURNS: &str = "Returns are free for fourteen days after the delivery.";
const OPENING: &str = "The shop is open from nine to five on weekdays.";

fn question(words: &str, text: &str, phrases: &[&str]) -> QuestionValues {
    QuestionValues {
        question: words.to_owned(),
        expected_sources: vec![ExpectedSource {
            document_id: None,
            text: Some(text.to_owned()),
        }],
        expected_phrases: phrases.iter().map(|&phrase| phrase.to_owned()).collect(),
        tags: vec!["shop".to_owned()],
    }
}

fn plan(retrieval: RetrievalSettings, answers: bool) -> Plan {
    Plan {
        name: String::new(),
        tag: Some("shop".to_owned()),
        retrieval,
        answers,
        compare_with: None,
    }
}

impl Stage {
    async fn add_questions(&self, questions: &[QuestionValues]) {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        eval_questions::insert_many(&mut tx, questions)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn start_run(&self, plan: &Plan) -> EvalRunId {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let run = evals::start(&mut tx, plan).await.unwrap();
        tx.commit().await.unwrap();
        run.id
    }

    async fn run(&self, id: EvalRunId) -> EvalRun {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        eval_runs::get(&mut tx, id).await.unwrap()
    }

    async fn run_that_is(&self, id: EvalRunId, status: EvalRunStatus) -> EvalRun {
        eventually(&format!("a run that is {status}"), async || {
            let run = self.run(id).await;
            (run.status == status).then_some(run)
        })
        .await
    }

    async fn results(&self, id: EvalRunId) -> Vec<EvalResult> {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let page = eval_results::list(&mut tx, id, None, None, 100).await;
        page.unwrap().data
    }

    async fn library(&self) {
        for (name, text) in [("returns.txt", RETURNS), ("opening.txt", OPENING)] {
            let id = self.upload(name, "text/plain", text.as_bytes()).await;
            self.stands(id, DocumentStatus::Ready).await;
        }
    }

    async fn delete_all(&self) {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let page = store::documents::list(&mut tx, DocumentFilter::default(), None, 10).await;
        drop(tx);
        for document in page.unwrap().data {
            self.delete_document(document.id).await;
        }
    }
}

#[tokio::test]
async fn a_run_grades_what_is_found_and_tells_what_changed() {
    let stage = Stage::start().await;
    stage.library().await;
    stage
        .add_questions(&[
            question("Are returns free after the delivery?", "fourteen days", &[]),
            question("Is the shop open on weekdays?", "sixty days", &[]),
        ])
        .await;
    let first = stage
        .start_run(&plan(RetrievalSettings::default(), false))
        .await;
    let done = stage.run_that_is(first, EvalRunStatus::Done).await;
    let summary = done.summary.unwrap();
    assert_eq!(done.question_count, 2);
    assert_eq!(
        (summary.hit_rate, summary.mrr, summary.ndcg),
        (0.5, 0.5, 0.5)
    );
    assert_eq!(summary.answer_score, None);
    let results = stage.results(first).await;
    let graded = results[0].graded.as_ref().unwrap();
    assert!(graded.hit && graded.found[0].expected, "{graded:?}");
    assert_eq!(graded.found[0].title, "returns.txt");
    assert!(!results[1].graded.as_ref().unwrap().hit);

    // The first question finds nothing any more, the second what it wants.
    stage.delete_all().await;
    let text = "The shop is open on weekdays for sixty days.";
    let id = stage.upload("new.txt", "text/plain", text.as_bytes()).await;
    stage.stands(id, DocumentStatus::Ready).await;
    let second = stage
        .start_run(&plan(RetrievalSettings::default(), false))
        .await;
    let run = stage.run_that_is(second, EvalRunStatus::Done).await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let compared = evals::compare(&mut tx, &run, None).await.unwrap().unwrap();
    assert_eq!(compared.with.id, first);
    let told: Vec<_> = compared
        .changes
        .iter()
        .map(|change| (change.question.as_str(), change.is_regression()))
        .collect();
    assert_eq!(
        told,
        [
            ("Are returns free after the delivery?", true),
            ("Is the shop open on weekdays?", false)
        ]
    );
    // Held against itself nothing changed; the first run has none before it.
    let same = evals::compare(&mut tx, &run, Some(second)).await.unwrap();
    assert_eq!(same.unwrap().changes, []);
    assert!(
        evals::compare(&mut tx, &done, None)
            .await
            .unwrap()
            .is_none()
    );
    drop(tx);
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn answers_are_graded_by_the_phrases_they_hold() {
    let stage = Stage::start().await;
    stage.library().await;
    let phrases = ["fourteen days", "free of charge"];
    stage
        .add_questions(&[question("Are returns free?", "fourteen days", &phrases)])
        .await;
    let answer = "Yes, for fourteen\ndays [1].";
    stage.model.otherwise(OpenAiBehaviour::text(answer));
    let run = stage
        .start_run(&plan(RetrievalSettings::default(), true))
        .await;
    let done = stage.run_that_is(run, EvalRunStatus::Done).await;
    assert_eq!(done.summary.unwrap().answer_score, Some(0.5));
    let results = stage.results(run).await;
    let graded = results[0].graded.as_ref().unwrap();
    assert_eq!(graded.answer.as_deref(), Some(answer));
    assert_eq!(stage.model.received().len(), 1);
}

#[tokio::test]
async fn a_model_that_refuses_the_key_ends_the_run_with_a_reason() {
    let stage = Stage::start().await;
    stage
        .add_questions(&[question("Are returns free?", "fourteen days", &["yes"])])
        .await;
    stage.model.otherwise(OpenAiFault::Unauthorized);
    let run = stage
        .start_run(&plan(RetrievalSettings::default(), true))
        .await;
    let failed = stage.run_that_is(run, EvalRunStatus::Failed).await;
    let why = failed.error.unwrap();
    assert_eq!(why, "The model cannot answer: openai refuses the key.");
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn a_run_goes_on_where_it_stopped() {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let questions: Vec<_> = (0..25)
        .map(|number| question(&format!("Question {number}?"), "nowhere", &[]))
        .collect();
    stage.add_questions(&questions).await;
    let run = stage
        .start_run(&plan(RetrievalSettings::default(), false))
        .await;
    // As graded by a worker that stopped then.
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let first = eval_results::list_pending(&mut tx, run, 1).await.unwrap();
    let graded = Graded {
        hit: true,
        reciprocal_rank: 1.0,
        ndcg: 1.0,
        answer_score: None,
        answer: None,
        found: Vec::new(),
    };
    let id = first[0].question_id;
    eval_results::grade(&mut tx, run, id, &graded)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // What is asked later is no part of it.
    stage
        .add_questions(&[question("Too late?", "nowhere", &[])])
        .await;
    stage.work().await;
    let done = stage.run_that_is(run, EvalRunStatus::Done).await;
    assert_eq!(done.question_count, 25);
    assert!((done.summary.unwrap().hit_rate - 0.04).abs() < 1e-9);
    let results = stage.results(run).await;
    assert_eq!(results.len(), 25);
    assert!(results.iter().all(|result| result.graded.is_some()));
    stage.rest_in_peace().await;
}

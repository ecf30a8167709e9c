//! The kill of a process at the steps of a web chat's message: what the visitor's own window shows
//! is each message once, in order, with one answer.

use rustix::process::Signal;
use serde_json::json;
use testkit::standin::OpenAiFault;

use crate::process::{Process, until};
use crate::shop::{id, tenant};
use crate::stage::{Api, Stage};
use crate::visitor::Visitor;

const QUESTION: &str = "When do you open?";
const NEXT_QUESTION: &str = "And on Sundays?";

const LEFT_TO_DO: &str = "SELECT (SELECT count(*) FROM jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome = 'pending')";
const FAILED: &str = "SELECT (SELECT count(*) FROM dead_jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome = 'failed')
    + (SELECT count(*) FROM messages WHERE status NOT IN ('received', 'sent'))";
const CUT_OFF: &str = "SELECT count(*) FROM job_attempts WHERE outcome = 'crashed'";

/// A visitor in the chat of a tenant that answers at once.
async fn arrive(api: &Api) -> Visitor {
    let tenant = tenant(
        &api.http,
        &json!({"provider": "openai", "model": "gpt-4o-mini"}),
    )
    .await;
    let channel = json!({"type": "webchat", "name": "Chat"});
    let path = format!("/api/tenants/{tenant}/channels");
    let channel = id(&api.http.post(&path, &channel).await.expect(201));
    Visitor::arrive(&api.http, &channel).await
}

/// Sees the question answered, and a second one: whatever was heard twice would stand between.
async fn see_one_answer_each(stage: &Stage, api: &Api, mut visitor: Visitor, worker: Process) {
    visitor
        .hear_until("the answer", api.address(), Visitor::is_answered)
        .await;
    // A window that was closed for a while goes on where it was.
    visitor.cut();
    visitor.write(NEXT_QUESTION);
    see_all_settled(stage, api, visitor, worker).await;
}

/// Sees both questions answered, each once, and nothing left to do.
async fn see_all_settled(stage: &Stage, api: &Api, mut visitor: Visitor, worker: Process) {
    let address = api.address();
    visitor
        .hear_until("both answers, sent", address, Visitor::has_all_settled)
        .await;
    until("nothing is left to do", || async {
        (stage.count(LEFT_TO_DO).await == 0).then_some(())
    })
    .await;
    worker.drained().await;
    visitor.see_one_answer_each();
    assert_eq!(visitor.heard.len(), 4, "{:#?}", visitor.heard);
    visitor.see_the_same_anew(address).await;
    assert_eq!(stage.count(FAILED).await, 0);
}

/// Kills a worker at `point`, while the visitor's connection goes on.
async fn kill_a_worker_at(point: &str) {
    let stage = Stage::new().await;
    let api = stage.patient_api("").await;
    let mut visitor = arrive(&api).await;
    let doomed = stage.worker_with(&format!("{point}=kill"));
    visitor.write(QUESTION);
    assert!(visitor.connect(api.address()).await);
    doomed.killed().await;
    let next = stage.worker();
    see_one_answer_each(&stage, &api, visitor, next).await;
    assert!(stage.count(CUT_OFF).await >= 1);
}

/// Kills the API at `point` while it takes the message in: the visitor gets no acknowledgement, or
/// does, and says it again.
async fn kill_the_api_at_intake(point: &str, copies: i64) {
    let stage = Stage::new().await;
    let doomed = stage.patient_api(&format!("{point}=kill")).await;
    let mut visitor = arrive(&doomed).await;
    visitor.write(QUESTION);
    // It may be gone before all is said.
    visitor.connect(doomed.address()).await;
    visitor.hear_the_end().await;
    doomed.process.killed().await;
    assert_eq!(stage.count(RAW_ITEMS).await, copies);

    let api = stage.patient_api("").await;
    let worker = stage.worker();
    see_one_answer_each(&stage, &api, visitor, worker).await;
}

const RAW_ITEMS: &str = "SELECT count(*) FROM raw_items";

/// Kills the API at `point` where it tells the visitor their own message, and the next where it
/// tells them the answer.
async fn kill_the_api_at_telling(point: &str) {
    let stage = Stage::new().await;
    let first = stage.patient_api(&format!("{point}=kill")).await;
    let mut visitor = arrive(&first).await;
    // It stores the message, and gets no further.
    let doomed = stage.worker_with("answer.before_model=kill");
    visitor.write(QUESTION);
    assert!(visitor.connect(first.address()).await);
    visitor.hear_the_end().await;
    first.process.killed().await;
    doomed.killed().await;

    let between = stage.patient_api("").await;
    visitor
        .hear_until("the own message", between.address(), |visitor| {
            visitor.heard.len() == 1
        })
        .await;
    visitor.cut();
    between.process.drained().await;

    let second = stage.patient_api(&format!("{point}=kill")).await;
    assert!(visitor.connect(second.address()).await);
    let worker = stage.worker();
    visitor.hear_the_end().await;
    second.process.killed().await;

    let api = stage.patient_api("").await;
    see_one_answer_each(&stage, &api, visitor, worker).await;
}

#[tokio::test]
async fn process_killed_before_a_visitors_message_is_committed() {
    kill_the_api_at_intake("intake.before_commit", 0).await;
}

#[tokio::test]
async fn process_killed_after_a_visitors_message_is_committed() {
    kill_the_api_at_intake("intake.after_commit", 1).await;
}

#[tokio::test]
async fn process_killed_before_a_visitor_is_told() {
    kill_the_api_at_telling("tell.before_message").await;
}

#[tokio::test]
async fn process_killed_after_a_visitor_was_told() {
    kill_the_api_at_telling("tell.after_message").await;
}

/// A worker dies while the visitor reads the beginning of an answer that never comes.
#[tokio::test]
async fn process_killed_while_a_visitor_reads_leaves_nothing_of_the_half_answer() {
    let stage = Stage::new().await;
    let api = stage.patient_api("").await;
    let mut visitor = arrive(&api).await;
    let doomed = stage.worker();
    // Pieces may be lost while a conversation begins.
    visitor.write(QUESTION);
    visitor
        .hear_until("the first answer", api.address(), Visitor::is_answered)
        .await;
    stage.model.script([OpenAiFault::Stall { after_chunks: 2 }]);
    visitor.write(NEXT_QUESTION);
    visitor.say().await.unwrap();
    visitor
        .hear_until("the answer's beginning", api.address(), |visitor| {
            visitor.draft() == (2, "Answer to:")
        })
        .await;
    doomed.signal(Signal::KILL);
    doomed.killed().await;
    let next = stage.worker();
    visitor
        .hear_until("the answer", api.address(), Visitor::is_answered)
        .await;
    // The next attempt's pieces replaced those of the one that died, as far as they came.
    let whole = format!("Answer to: {NEXT_QUESTION}");
    assert!(
        whole.starts_with(visitor.draft().1),
        "{:?}",
        visitor.draft()
    );
    see_all_settled(&stage, &api, visitor, next).await;
}

macro_rules! workers_killed {
    ($($name:ident at $point:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            kill_a_worker_at($point).await;
        }
    )*};
}

workers_killed! {
    process_killed_before_a_visitors_message_is_stored at "inbound.before_commit";
    process_killed_after_a_visitors_message_is_stored at "inbound.after_commit";
    process_killed_before_a_job_of_a_web_chat_is_finished at "job.before_finish";
    process_killed_before_the_model_is_asked_for_a_visitor at "answer.before_model";
    process_killed_before_a_visitors_answer_is_stored at "answer.before_commit";
    process_killed_after_a_visitors_answer_is_stored at "answer.after_commit";
    process_killed_before_a_visitors_answer_is_sent at "send.before_intent_commit";
    process_killed_after_a_visitors_answer_is_sent at "send.after_sent_commit";
}

//! A process is killed at every step between a message's intake and its stored status. Whatever
//! the step, the customer gets one answer. `docs/crashes.md` tells the same as a table.

use reqwest::StatusCode;

use crate::process::Process;
use crate::shop::Shop;
use crate::stage::{Api, Stage};

/// What a kill leaves to see.
struct Trace {
    /// The job that was cut off, and run again by the next worker.
    job: &'static str,
    /// How often the intent to send was committed: two if nobody knew whether the first was sent.
    intents: i64,
}

/// Kills a worker at `point`, starts another, and sees one answer.
async fn kill_a_worker_at(point: &str, trace: &Trace) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let doomed = stage.worker_with(&format!("{point}=kill"));
    shop.write(&api.http, "When do you open?").await;
    doomed.killed().await;
    let next = stage.worker();
    see_one_answer(&stage, &api, &shop, next).await;
    assert_eq!(stage.count(INTENTS).await, trace.intents);
    let cut_off: Vec<String> = sqlx::query_scalar(CUT_OFF)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
    assert!(cut_off.iter().any(|kind| kind == trace.job), "{cut_off:?}");
}

/// Kills the API at `point` while it takes a message in. Meta gets no answer and posts it again.
async fn kill_the_api_at(point: &str, copies: i64) {
    let stage = Stage::new().await;
    let doomed = stage.api_with(&format!("{point}=kill")).await;
    let shop = Shop::open(&doomed.http).await;
    let post = Shop::post("When do you open?");
    shop.deliver(&doomed.http, &post).await.unwrap_err();
    doomed.process.killed().await;

    let api = stage.api().await;
    shop.report_to(&api.http, &stage);
    let worker = stage.worker();
    let status = shop.deliver(&api.http, &post).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    see_one_answer(&stage, &api, &shop, worker).await;
    assert_eq!(stage.count(COPIES).await, copies);
}

async fn see_one_answer(stage: &Stage, api: &Api, shop: &Shop, worker: Process) {
    let messages = shop.settled(&api.http, stage, 1).await;
    // Once it has drained, nothing can follow.
    worker.drained().await;
    let [question, answer] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(question["text"], "When do you open?");
    assert_eq!(answer["text"], "Answer to: When do you open?");
    assert_eq!(answer["author"], "assistant");
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].tag.as_deref(), answer["id"].as_str());
    assert_eq!(stage.count(NOT_DONE).await, 0, "raw items or jobs failed");
}

const INTENTS: &str = "SELECT send_attempts::bigint FROM messages WHERE direction = 'outbound'";
const CUT_OFF: &str = "SELECT kind FROM job_attempts AS a JOIN job_history AS h ON h.id = a.job_id
    WHERE a.outcome = 'crashed'";
const COPIES: &str = "SELECT count(*) FROM raw_items WHERE payload::text LIKE '%When do you open%'";
const NOT_DONE: &str = "SELECT (SELECT count(*) FROM raw_items WHERE outcome <> 'done')
    + (SELECT count(*) FROM dead_jobs)";

#[tokio::test]
async fn process_killed_before_the_intake_is_committed() {
    kill_the_api_at("intake.before_commit", 1).await;
}

#[tokio::test]
async fn process_killed_after_the_intake_is_committed() {
    kill_the_api_at("intake.after_commit", 2).await;
}

macro_rules! workers_killed {
    ($($name:ident: $point:literal cuts off $job:literal, $intents:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            kill_a_worker_at($point, &Trace { job: $job, intents: $intents }).await;
        }
    )*};
}

workers_killed! {
    process_killed_before_the_message_is_stored:
        "inbound.before_commit" cuts off "inbound-message", 1;
    process_killed_after_the_message_is_stored:
        "inbound.after_commit" cuts off "inbound-message", 1;
    process_killed_before_a_job_is_finished:
        "job.before_finish" cuts off "inbound-message", 1;
    process_killed_before_the_model_is_asked:
        "answer.before_model" cuts off "answer-turn", 1;
    process_killed_before_the_answer_is_stored:
        "answer.before_commit" cuts off "answer-turn", 1;
    process_killed_after_the_answer_is_stored:
        "answer.after_commit" cuts off "answer-turn", 1;
    process_killed_before_the_intent_to_send_is_committed:
        "send.before_intent_commit" cuts off "send-reply", 1;
    process_killed_after_the_intent_to_send_is_committed:
        "send.intent_committed" cuts off "send-reply", 2;
    process_killed_before_the_request_leaves:
        "send.before_request" cuts off "send-reply", 2;
    process_killed_after_the_request_was_answered:
        "send.after_request" cuts off "send-reply", 1;
    process_killed_before_the_send_is_noted:
        "send.before_sent_commit" cuts off "send-reply", 1;
    process_killed_after_the_send_is_noted:
        "send.after_sent_commit" cuts off "send-reply", 1;
    process_killed_before_a_status_is_stored:
        "status.before_commit" cuts off "channel-status", 1;
    process_killed_after_a_status_is_stored:
        "status.after_commit" cuts off "channel-status", 1;
}

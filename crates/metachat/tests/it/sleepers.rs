//! A worker falls asleep past its lease, another takes over, and the first wakes up.

use std::time::Duration;

use rustix::process::Signal;
use testkit::standin::OpenAiBehaviour;

use crate::media::PICTURE;
use crate::process::Process;
use crate::shop::Shop;
use crate::stage::{Api, Stage};

/// Puts a worker to sleep at `point` until another has done its work, and sees one answer.
async fn sleep_at(point: &str) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let sleeper = stage.worker_with(&format!("{point}=stop"));
    shop.write(&api.http, "When do you open?").await;
    sleeper.stopped().await;
    take_over(&stage, &api, &shop, sleeper, 1).await;
}

/// Sees `answers` messages to one of the customer's, whatever the sleeper does when it wakes up.
async fn take_over(stage: &Stage, api: &Api, shop: &Shop, sleeper: Process, answers: usize) {
    let other = stage.worker();
    let before = shop.settled(&api.http, stage, answers).await;
    sleeper.signal(Signal::CONT);
    // It ends only when all it had begun has ended, one way or the other.
    sleeper.drained().await;
    let after = shop.settled(&api.http, stage, answers).await;
    other.drained().await;
    assert_eq!(before, after, "the sleeper changed what was settled");
    assert_eq!(after.len(), 1 + answers, "{after:?}");
    let sent = stage.graph.received();
    assert_eq!(sent.len(), answers, "{sent:?}");
    assert_eq!(stage.count("SELECT count(*) FROM dead_jobs").await, 0);
}

#[tokio::test]
async fn process_asleep_before_the_message_is_stored_stores_nothing() {
    sleep_at("inbound.before_commit").await;
}

#[tokio::test]
async fn process_asleep_before_the_answer_is_stored_stores_nothing() {
    sleep_at("answer.before_commit").await;
}

#[tokio::test]
async fn process_asleep_before_the_intent_to_send_is_committed_sends_nothing() {
    sleep_at("send.before_intent_commit").await;
}

#[tokio::test]
async fn process_asleep_before_the_request_leaves_sends_nothing() {
    sleep_at("send.before_request").await;
}

#[tokio::test]
async fn process_asleep_after_the_request_was_answered_sends_nothing_more() {
    sleep_at("send.after_request").await;
}

#[tokio::test]
async fn process_asleep_before_the_send_is_noted_holds_up_nobody() {
    sleep_at("send.before_sent_commit").await;
}

#[tokio::test]
async fn process_asleep_while_the_model_thinks_answers_nothing() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    stage.model.script([OpenAiBehaviour {
        first_token_ms: 1000,
        ..OpenAiBehaviour::text("Too late.")
    }]);
    let sleeper = stage.worker();
    shop.write(&api.http, "When do you open?").await;
    stage
        .model
        .wait_for(1, Duration::from_secs(30))
        .await
        .unwrap();
    sleeper.signal(Signal::STOP);
    sleeper.stopped().await;
    take_over(&stage, &api, &shop, sleeper, 1).await;
    assert_eq!(
        stage.graph.received()[0].text,
        "Answer to: When do you open?"
    );
}

#[tokio::test]
async fn process_asleep_after_a_persons_file_was_uploaded_sends_nothing() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let sleeper = stage.worker_with("send.after_upload=stop");
    shop.write(&api.http, "When do you open?").await;
    shop.settled(&api.http, &stage, 1).await;
    shop.send_file(&api.http, "shop.png", PICTURE).await;
    sleeper.stopped().await;
    take_over(&stage, &api, &shop, sleeper, 2).await;
    let uploads = stage.graph.uploads();
    assert_eq!(uploads.len(), 2);
    let sent = stage.graph.received().pop().unwrap();
    assert_eq!(sent.body["image"]["id"], uploads[1].id, "{sent:?}");
}

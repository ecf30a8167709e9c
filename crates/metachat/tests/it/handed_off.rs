//! A conversation goes to a person, whoever dies meanwhile: its customer reads so once, and the machine
//! is silent from then on.

use serde_json::json;
use testkit::standin::{OpenAiBehaviour, OpenAiReply};

use crate::crashes::{FAILED, cut_off};
use crate::process::{Process, until};
use crate::shop::{LEFT_TO_DO, Shop};
use crate::stage::{Api, Stage};

const ASKS: &str = "I want to talk to a human";
const COMES: &str = "A person will take over and answer you here.";

/// Kills a worker at `point`, where the customer's own words call for a person.
async fn kill_a_worker_that_hears_of_it_at(point: &str) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open(&api.http).await;
    shop.report_to(&api.http, &stage);
    let doomed = stage.worker_with(&format!("{point}=kill"));
    shop.write(&api.http, ASKS).await;
    doomed.killed().await;
    let next = stage.worker();
    see_one_hand_off(&stage, &api, &shop, next, ["asked", "inbound-message"]).await;
    let asked = &shop.messages(&api.http).await[0];
    assert_eq!(asked["unanswered_reason"], "asked_for_person", "{asked}");
    assert_eq!(stage.model.received().len(), 0);
}

/// Kills a worker at `point`, where the model gives the turn to a person; `calls` says how often it is
/// asked in all.
async fn kill_a_worker_that_gives_it_away_at(point: &str, calls: usize) {
    let stage = Stage::new().await;
    stage
        .model
        .otherwise(OpenAiBehaviour::from(OpenAiReply::ToolCall {
            name: "hand_off".to_owned(),
            arguments: json!({"reason": "Wants a refund."}),
        }));
    let api = stage.api().await;
    let settings = json!({
        "settle_ms": 0, "handoff": {"tool": true},
        "llm": {"provider": "openai", "model": "gpt-4o-mini"},
    });
    let shop = Shop::open_set(&api.http, &settings).await;
    shop.report_to(&api.http, &stage);
    let doomed = stage.worker_with(&format!("{point}=kill"));
    shop.write(&api.http, "Where is my money?").await;
    doomed.killed().await;
    let next = stage.worker();
    see_one_hand_off(&stage, &api, &shop, next, ["model", "answer-turn"]).await;
    assert_eq!(stage.model.received().len(), calls);
}

/// Sees the customer told once, and the machine silent when they write again; `because` is the reason
/// that is noted and the kind of the job that was cut off.
async fn see_one_hand_off(
    stage: &Stage,
    api: &Api,
    shop: &Shop,
    next: Process,
    [because, job]: [&str; 2],
) {
    shop.settled(&api.http, stage, 1).await;
    shop.write(&api.http, "Hello? Anybody?").await;
    let messages = until("what follows is stored, and all is done", || async {
        let messages = shop.messages(&api.http).await;
        (messages.len() > 2 && stage.count(LEFT_TO_DO).await == 0).then_some(messages)
    })
    .await;
    // Once it has drained, nothing can follow.
    next.drained().await;
    assert_eq!(messages, shop.messages(&api.http).await);
    let [_, told, after] = &messages[..] else {
        panic!("{messages:#?}");
    };
    assert_eq!(
        (&told["author"], &told["text"]),
        (&json!("system"), &json!(COMES))
    );
    assert_eq!(after["unanswered_reason"], "with_person", "{after}");
    let conversation = shop.conversation(&api.http).await;
    assert_eq!(conversation["status"], "assigned_human", "{conversation}");
    assert_eq!(conversation["assign_reason"], because, "{conversation}");
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].text, COMES);
    let cut_off = cut_off(stage).await;
    assert!(cut_off.iter().any(|kind| kind == job), "{cut_off:?}");
    assert_eq!(stage.count(FAILED).await, 0);
}

#[tokio::test]
async fn process_killed_before_a_call_for_a_person_is_stored() {
    kill_a_worker_that_hears_of_it_at("inbound.before_commit").await;
}

#[tokio::test]
async fn process_killed_after_a_call_for_a_person_is_stored() {
    kill_a_worker_that_hears_of_it_at("inbound.after_commit").await;
}

#[tokio::test]
async fn process_killed_before_a_turn_is_given_to_a_person() {
    kill_a_worker_that_gives_it_away_at("answer.before_commit", 2).await;
}

#[tokio::test]
async fn process_killed_after_a_turn_is_given_to_a_person() {
    kill_a_worker_that_gives_it_away_at("answer.after_commit", 1).await;
}

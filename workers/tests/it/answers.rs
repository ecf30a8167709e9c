//! What happens when the model cannot answer.

use std::time::Duration;

use domain::{Author, MessageStatus, TenantSettings};
use testkit::standin::{OpenAiBehaviour, OpenAiFault};

use crate::stage::{PATIENCE, Stage, settings};

fn asks_to_wait(retry_after_seconds: u64) -> OpenAiFault {
    OpenAiFault::RateLimited {
        retry_after_seconds,
    }
}

async fn fallback_of(stage: &Stage) {
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.author, Author::System);
    assert_eq!(answer.text, settings().fallback_text);
    stage.rest().await;
    assert_eq!(stage.graph.received().len(), 1);
    assert_eq!(stage.count("dead_jobs WHERE kind = 'answer-turn'").await, 1);
    assert_eq!(stage.count("dead_jobs").await, 1);
}

#[tokio::test]
async fn a_provider_that_refuses_the_key_leads_to_the_fallback_once() {
    let stage = Stage::start().await;
    stage.model.otherwise(OpenAiFault::Unauthorized);
    stage.say("Do you sell tea?").await;
    fallback_of(&stage).await;
    // The turn is settled: the next message is a turn of its own.
    stage.model.otherwise(OpenAiBehaviour::text("Yes, we do."));
    stage.say("And coffee?").await;
    let sent = stage.graph.wait_for(2, PATIENCE).await.unwrap();
    assert_eq!(sent[1].text, "Yes, we do.");
    let asked = stage.model.received().pop().unwrap().body["messages"].to_string();
    assert!(asked.contains("And coffee?"), "{asked}");
}

#[tokio::test]
async fn without_a_fallback_text_a_turn_without_answer_stays_silent() {
    let stage = Stage::start_with(TenantSettings {
        fallback_text: String::new(),
        ..settings()
    })
    .await;
    stage.model.otherwise(OpenAiFault::Unauthorized);
    stage.say("Do you sell tea?").await;
    stage.rest().await;
    assert_eq!(stage.count("dead_jobs").await, 1);
    assert_eq!(stage.outbound().await.len(), 0);
}

#[tokio::test]
async fn a_provider_that_comes_back_gives_the_answer() {
    let stage = Stage::start().await;
    // More often than a single attempt asks.
    stage.model.script(vec![OpenAiFault::ServerError; 4]);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.author, Author::Assistant);
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    let attempts = "job_attempts WHERE outcome = 'retry'";
    assert_eq!(stage.count(attempts).await, 1);
}

#[tokio::test]
async fn a_provider_that_asks_to_wait_is_asked_again_when_it_said_and_no_sooner() {
    let stage = Stage::start().await;
    stage.model.script([asks_to_wait(1)]);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    let asked = stage.model.received();
    assert_eq!(asked.len(), 2);
    let waited = (asked[1].at - asked[0].at).num_milliseconds();
    // The wait and the arrivals are measured by two clocks.
    assert!(waited >= 990, "{waited} ms");
    assert_eq!(stage.graph.received().len(), 1);
    // For so little the job itself waits.
    assert_eq!(stage.count("job_attempts WHERE outcome = 'retry'").await, 0);
}

#[tokio::test]
async fn a_provider_that_asks_for_minutes_puts_the_answer_off_for_as_long() {
    let mut stage = Stage::start_with(TenantSettings {
        answer_deadline_seconds: 600,
        ..settings()
    })
    .await;
    stage.model.script([asks_to_wait(300)]);
    stage.say("Do you sell tea?").await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    let wait = stage.put_off("answer-turn").await;
    let told = Duration::from_mins(5);
    assert!(wait <= told && wait + PATIENCE > told, "{wait:?}");
    assert_eq!(stage.model.received().len(), 1);
    assert_eq!(stage.outbound().await.len(), 0);

    // Who was told to wait holds back for some seconds by itself, which a new process does not.
    stage.stop_work().await;
    let url = stage.model.base_url();
    stage.ask_at(&url);
    stage.pass(told);
    stage.hurry().await;
    stage.work().await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.author, Author::Assistant);
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    assert_eq!(stage.model.received().len(), 2);
    assert_eq!(stage.graph.received().len(), 1);
    assert_eq!(stage.count("job_attempts WHERE outcome = 'retry'").await, 1);
}

#[tokio::test]
async fn a_provider_that_asks_for_more_than_the_deadline_leads_to_the_fallback_at_once() {
    let stage = Stage::start().await;
    stage.model.script([asks_to_wait(90)]);
    stage.say("Do you sell tea?").await;
    fallback_of(&stage).await;
    assert_eq!(stage.model.received().len(), 1);
    let why = "dead_jobs WHERE reason LIKE '%asks to wait 90s%'";
    assert_eq!(stage.count(why).await, 1);
}

#[tokio::test]
async fn a_provider_that_asks_for_more_than_is_left_leads_to_the_fallback_at_once() {
    let stage = Stage::start().await;
    // The whole deadline, of which a second is over by then.
    stage.model.script([asks_to_wait(1), asks_to_wait(60)]);
    stage.say("Do you sell tea?").await;
    fallback_of(&stage).await;
    assert_eq!(stage.model.received().len(), 2);
    let why = "dead_jobs WHERE reason LIKE '%asks to wait 60s%'";
    assert_eq!(stage.count(why).await, 1);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_never_sent_in_part() {
    let stage = Stage::start().await;
    stage.model.script([OpenAiBehaviour {
        fault: Some(OpenAiFault::CutStream { after_chunks: 2 }),
        ..OpenAiBehaviour::text("Yes, we sell green tea and black tea.")
    }]);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.received().len(), 1);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_leads_to_the_fallback() {
    let stage = Stage::start_with(TenantSettings {
        answer_deadline_seconds: 1,
        ..settings()
    })
    .await;
    stage.model.otherwise(OpenAiFault::Hang);
    stage.say("Do you sell tea?").await;
    fallback_of(&stage).await;
    assert_eq!(stage.model.received().len(), 1);
}

#[tokio::test]
async fn a_conversation_too_long_for_the_model_is_asked_with_less_of_it() {
    let stage = Stage::start().await;
    stage.model.script([OpenAiBehaviour::text("We sell tea.")]);
    stage.say("What do you sell?").await;
    stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.model.script(vec![OpenAiFault::ContextTooLong; 2]);
    stage.say("And what else?").await;
    let sent = stage.graph.wait_for(2, PATIENCE).await.unwrap();
    assert_eq!(sent[1].text, "Answer to: And what else?");
    stage.rest_in_peace().await;
    let asked = stage.model.received();
    let with_history: Vec<bool> = asked[1..]
        .iter()
        .map(|call| call.body["messages"].to_string().contains("We sell tea."))
        .collect();
    assert_eq!(with_history, [true, true, false]);
}

#[tokio::test]
async fn what_is_too_long_whatever_is_left_out_leads_to_the_fallback() {
    let stage = Stage::start().await;
    stage.model.otherwise(OpenAiFault::ContextTooLong);
    stage.say("Do you sell tea?").await;
    fallback_of(&stage).await;
    assert_eq!(stage.model.received().len(), 5);
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_again() {
    let stage = Stage::start().await;
    stage
        .model
        .script([OpenAiBehaviour::text(""), OpenAiBehaviour::text(" \n")]);
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    assert_eq!(stage.count("job_attempts WHERE outcome = 'retry'").await, 2);
}

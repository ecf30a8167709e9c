//! What one turn is: which messages are answered, together, and once.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{ConversationStatus, MessageStatus, TenantSettings};
use llm::HashedNgrams;
use testkit::standin::{OpenAiBehaviour, Sender, TextMessage, WhatsappPost};

use crate::looks::eventually;
use crate::stage::{CUSTOMER, NUMBER, PATIENCE, Stage, settings};

/// What the model was asked last, as one text.
fn asked(stage: &Stage) -> String {
    let calls = stage.model.received();
    calls.last().unwrap().body["messages"].to_string()
}

#[tokio::test]
async fn a_burst_within_the_settle_time_gets_one_answer_to_all_of_it() {
    let stage = Stage::start_with(TenantSettings {
        settle_ms: 1500,
        settle_max_ms: 6000,
        ..settings()
    })
    .await;
    for text in ["Hello", "Do you sell tea?", "Green tea"] {
        stage.say(text).await;
    }
    stage.answer(MessageStatus::Sent).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.model.received().len(), 1);
    for text in ["Hello", "Do you sell tea?", "Green tea"] {
        assert!(asked(&stage).contains(text), "{}", asked(&stage));
    }
    assert_eq!(stage.graph.received().len(), 1);
    assert_eq!(stage.inbound().await.len(), 3);
}

#[tokio::test]
async fn what_is_posted_out_of_order_is_answered_in_the_order_it_was_written() {
    let settling = TenantSettings {
        settle_ms: 1500,
        settle_max_ms: 6000,
        ..settings()
    };
    let mut stage = Stage::set(settling, Arc::new(HashedNgrams)).await;
    let written = ["First of all", "then", "and at last"];
    for nth in [2, 0, 1] {
        let mut message = TextMessage::new(Sender::phone(CUSTOMER, "Ana"), written[nth]);
        let seconds = i64::try_from(nth).unwrap() - 10;
        message.at = stage.assistant.clock.now() + TimeDelta::seconds(seconds);
        let post = WhatsappPost::to_number(NUMBER).text(&message);
        stage.deliver(&Stage::sign(&post)).await;
    }
    stage.work().await;
    stage.rest_in_peace().await;
    let question = &stage.model.received().pop().unwrap().body["messages"];
    let question = question.as_array().unwrap().last().unwrap();
    assert_eq!(question["content"], written.join("\n"));
    // And so do they stand in what is read before the next answer.
    stage.say("And coffee?").await;
    stage.rest_in_peace().await;
    let asked = asked(&stage);
    let places = written.map(|text| asked.find(text).unwrap());
    assert!(places.is_sorted(), "{asked}");
}

#[tokio::test]
async fn what_was_written_within_one_second_is_answered_in_the_order_in_which_it_came() {
    let settling = TenantSettings {
        settle_ms: 1500,
        settle_max_ms: 6000,
        ..settings()
    };
    let mut stage = Stage::set(settling, Arc::new(HashedNgrams)).await;
    // Meta tells whole seconds: neither the ids nor the words say which of three was the first.
    let at = stage.assistant.clock.now();
    for (text, seconds) in [("zwei", 0), ("drei", 0), ("eins", -1), ("acht", 0)] {
        let mut message = TextMessage::new(Sender::phone(CUSTOMER, "Ana"), text);
        message.at = at + TimeDelta::seconds(seconds);
        let post = WhatsappPost::to_number(NUMBER).text(&message);
        stage.deliver(&Stage::sign(&post)).await;
    }
    stage.work().await;
    stage.rest_in_peace().await;
    let question = &stage.model.received().pop().unwrap().body["messages"];
    let question = question.as_array().unwrap().last().unwrap();
    assert_eq!(question["content"], "eins\nzwei\ndrei\nacht");
}

#[tokio::test]
async fn without_a_settle_time_a_message_is_answered_at_once() {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "Answer to: Do you sell tea?");
    stage.rest_in_peace().await;
    let waits: Vec<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM claimed_at - created_at)::float8 FROM job_history
         WHERE kind = 'answer-turn'",
    )
    .fetch_all(stage.database.pool())
    .await
    .unwrap();
    assert!(waits.len() == 1 && waits[0] < 1.0, "{waits:?}");
}

#[tokio::test]
async fn what_is_written_while_the_model_answers_is_answered_with_the_rest() {
    let stage = Stage::start().await;
    stage.model.script([
        OpenAiBehaviour {
            first_token_ms: 2500,
            ..OpenAiBehaviour::text("too early")
        },
        OpenAiBehaviour::text("both"),
    ]);
    stage.say("Do you sell tea?").await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    stage.say("Green tea, I mean").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "both");
    stage.rest_in_peace().await;
    assert_eq!(stage.outbound().await.len(), 1);
    assert_eq!(stage.graph.received().len(), 1);
    for text in ["Do you sell tea?", "Green tea, I mean"] {
        assert!(asked(&stage).contains(text), "{}", asked(&stage));
    }
}

#[tokio::test]
async fn the_same_post_twice_at_once_and_again_later_is_one_message() {
    let stage = Stage::start().await;
    let post = stage.written("Do you sell tea?");
    tokio::join!(stage.deliver(&post), stage.deliver(&post));
    stage.answer(MessageStatus::Sent).await;
    stage.deliver(&post).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.inbound().await.len(), 1);
    assert_eq!(stage.outbound().await.len(), 1);
    assert_eq!(stage.model.received().len(), 1);
    assert_eq!(stage.graph.requests().len(), 1);
    assert_eq!(stage.count("raw_items WHERE outcome = 'done'").await, 3);
}

#[tokio::test]
async fn what_waits_for_no_answer_is_stored_and_gets_none() {
    for (name, body) in [
        (
            "reaction",
            include_str!("../../../crates/channels/fixtures/whatsapp/reaction.json"),
        ),
        (
            "system",
            include_str!("../../../crates/channels/fixtures/whatsapp/system-identity-changed.json"),
        ),
        (
            "unsupported",
            include_str!("../../../crates/channels/fixtures/whatsapp/unsupported.json"),
        ),
    ] {
        let stage = Stage::start().await;
        stage.deliver(&Stage::sign_bytes(body)).await;
        stage.rest_in_peace().await;
        assert_eq!(stage.inbound().await.len(), 1, "{name}");
        assert_eq!(stage.outbound().await.len(), 0, "{name}");
        assert_eq!(stage.model.received().len(), 0, "{name}");
        stage.end().await;
    }
}

#[tokio::test]
async fn the_machine_is_silent_while_a_person_has_the_conversation() {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.set_status(ConversationStatus::AssignedHuman).await;
    stage.say("May I talk to somebody?").await;
    stage.rest_in_peace().await;
    assert_eq!(stage.inbound().await.len(), 2);
    assert_eq!(stage.outbound().await.len(), 1);
    stage.set_status(ConversationStatus::Open).await;
    stage.say("And who are you?").await;
    eventually("the machine speaks again", async || {
        (stage.graph.received().len() == 2).then_some(())
    })
    .await;
    // What nobody answered belongs to the turn.
    assert!(asked(&stage).contains("May I talk to somebody?"));
}

#[tokio::test]
async fn an_item_whose_job_dies_is_kept_for_operators_with_the_reason() {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    stage.say("Do you sell tea?").await;
    // As by an older program that kept what this one cannot read.
    sqlx::query("UPDATE raw_items SET payload = '{\"message\": {}}'")
        .execute(stage.database.pool())
        .await
        .unwrap();
    stage.work().await;
    stage.rest().await;
    assert_eq!(stage.count("dead_jobs").await, 1);
    let failed = "raw_items WHERE outcome = 'failed' AND error IS NOT NULL";
    assert_eq!(stage.count(failed).await, 1);
}

/// Which of five long messages the model is shown at the last of them.
async fn shown_of_five(history_tokens: Option<u32>) -> Vec<u32> {
    let mut settings = settings();
    settings.history_tokens = history_tokens;
    // 8,192 tokens, of which the answer may take most.
    "gpt-4".clone_into(&mut settings.llm.model);
    settings.llm.max_output_tokens = 5_900;
    let stage = Stage::start_with(settings).await;
    stage.model.otherwise(OpenAiBehaviour::text("Yes."));
    for nth in 1..=5 {
        stage
            .say(&format!("No. {nth}: {}", "tea ".repeat(500)))
            .await;
        stage.rest_in_peace().await;
    }
    let asked = asked(&stage);
    assert!(asked.contains(&"tea ".repeat(499)), "{asked}");
    let shown = (1..=5).filter(|nth| asked.contains(&format!("No. {nth}: ")));
    let shown = shown.collect();
    stage.end().await;
    shown
}

#[tokio::test]
async fn the_models_context_and_the_tenant_decide_how_much_of_what_was_said_is_shown() {
    assert_eq!(shown_of_five(None).await, [3, 4, 5]);
    assert_eq!(shown_of_five(Some(600)).await, [4, 5]);
    assert_eq!(shown_of_five(Some(0)).await, [5]);
}

//! What the later words of a message ask for, and a message that is taken back before its answer.

use domain::{AssignReason, ConversationStatus, MessageStatus, TenantSettings, UnansweredReason};
use serde_json::json;
use testkit::standin::OpenAiBehaviour;

use crate::changes::{edit, post, wire};
use crate::people::slow;
use crate::stage::{PATIENCE, Stage, settings};

/// A stage whose model thinks about the answer to a message, `wamid.a`.
async fn thinking(settings: TenantSettings) -> Stage {
    let stage = Stage::start_with(settings).await;
    stage.model.script([slow("to the first words")]);
    let text = json!({"body": "Do you sell tea?"});
    post(&stage, wire(&stage, "wamid.a", "text", &text)).await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    stage
}

async fn take_back(stage: &Stage, id: &str, target: &str) {
    let gone = json!({"original_message_id": target});
    post(stage, wire(stage, id, "revoke", &gone)).await;
}

#[tokio::test]
async fn what_is_taken_back_before_its_answer_is_not_answered() {
    let stage = thinking(settings()).await;
    take_back(&stage, "wamid.b", "wamid.a").await;
    stage.rest_in_peace().await;
    assert_eq!(stage.outbound().await.len(), 0);
    assert_eq!(stage.model.received().len(), 1);
    let open = "conversations WHERE answered_turn < turn_seq";
    assert_eq!(stage.count(open).await, 0);
    // The next message is a turn of its own.
    stage.say("And coffee?").await;
    assert_eq!(stage.texts().await, ["Answer to: And coffee?"]);
    let asked = stage.model.received().pop().unwrap().body["messages"].to_string();
    assert!(!asked.contains("Do you sell tea?"), "{asked}");
}

#[tokio::test]
async fn the_rest_of_a_turn_is_answered_without_what_was_taken_back() {
    let stage = thinking(settings()).await;
    stage
        .model
        .script([slow("to both"), OpenAiBehaviour::text("to the rest")]);
    let text = json!({"body": "Green tea, I mean"});
    post(&stage, wire(&stage, "wamid.b", "text", &text)).await;
    stage.model.wait_for(2, PATIENCE).await.unwrap();
    take_back(&stage, "wamid.c", "wamid.a").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(answer.text, "to the rest");
    stage.rest_in_peace().await;
    let asked = stage.model.received().pop().unwrap().body["messages"].to_string();
    assert!(asked.contains("Green tea, I mean"), "{asked}");
    assert!(!asked.contains("deleted"), "{asked}");
}

#[tokio::test]
async fn later_words_that_ask_for_a_person_lead_to_one() {
    let stage = thinking(settings()).await;
    let words = "I want to talk to a human";
    post(&stage, edit(&stage, "wamid.b", "wamid.a", words)).await;
    let said = stage.texts().await;
    assert_eq!(said, ["A person will take over and answer you here."]);
    let conversation = stage.standing().await;
    assert_eq!(conversation.status, ConversationStatus::AssignedHuman);
    assert_eq!(conversation.assign_reason, Some(AssignReason::Asked));
    let asked = Some(UnansweredReason::AskedForPerson);
    assert_eq!(stage.silences().await, [asked]);
    assert_eq!(stage.model.received().len(), 1);
}

#[tokio::test]
async fn a_message_that_is_changed_into_what_nobody_understands_is_not_answered() {
    let stage = thinking(settings()).await;
    let unknown = json!({"type": "unsupported", "unsupported": {"type": "poll"}});
    let content = json!({"original_message_id": "wamid.a", "message": unknown});
    post(&stage, wire(&stage, "wamid.b", "edit", &content)).await;
    stage.rest_in_peace().await;
    assert_eq!(
        stage.silences().await,
        [Some(UnansweredReason::Unsupported)]
    );
    assert_eq!(stage.outbound().await.len(), 0);
    assert_eq!(stage.model.received().len(), 1);
    let open = "conversations WHERE answered_turn < turn_seq";
    assert_eq!(stage.count(open).await, 0);
}

#[tokio::test]
async fn later_words_that_say_stop_end_all_messages() {
    let stage = thinking(settings()).await;
    post(&stage, edit(&stage, "wamid.b", "wamid.a", "STOP")).await;
    let said = stage.texts().await;
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("no more messages"), "{said:?}");
    assert_eq!(
        stage.count("contacts WHERE opted_out_at IS NOT NULL").await,
        1
    );
    assert_eq!(stage.silences().await, [Some(UnansweredReason::OptWord)]);
    // After the answer they count as well.
    post(&stage, edit(&stage, "wamid.c", "wamid.a", "START")).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("contacts WHERE opted_out_at IS NULL").await, 1);
}

#[tokio::test]
async fn later_words_that_are_blocked_reach_no_model() {
    let mut moderated = settings();
    moderated.moderation.blocked = vec!["dynamite".to_owned()];
    moderated.moderation.text = "We do not talk about that.".to_owned();
    let stage = thinking(moderated).await;
    post(
        &stage,
        edit(&stage, "wamid.b", "wamid.a", "Do you sell dynamite?"),
    )
    .await;
    assert_eq!(stage.texts().await, ["We do not talk about that."]);
    assert_eq!(stage.silences().await, [Some(UnansweredReason::Blocked)]);
    assert_eq!(stage.model.received().len(), 1);
    let open = "conversations WHERE answered_turn < turn_seq";
    assert_eq!(stage.count(open).await, 0);
}

//! Messenger: what people write on a page, what they are answered, and who has the conversation.

use assistant::people;
use domain::{Author, ChannelKind, Content, ConversationStatus, MessageStatus};
use serde_json::json;
use store::conversations;
use testkit::standin::{GraphReply, MessengerPost, OpenAiBehaviour, SentMessage};

use crate::looks::eventually;
use crate::stage::{APP_SECRET, PATIENCE, Stage};

pub(crate) const PAGE: &str = "300000000000001";
pub(crate) const PERSON: &str = "7000000000000001";

/// A stage with a page.
pub(crate) async fn stage() -> Stage {
    let stage = Stage::start().await;
    let config = json!({"page_id": PAGE, "page_access_token": format!("page-{PAGE}")});
    stage.connect(ChannelKind::Messenger, config).await;
    stage
}

async fn post(stage: &Stage, post: MessengerPost) {
    let signed = post.sign(APP_SECRET);
    stage.deliver_to(ChannelKind::Messenger, &signed).await;
}

pub(crate) async fn say(stage: &Stage, mid: &str, text: &str) {
    let now = stage.assistant.clock.now();
    post(
        stage,
        MessengerPost::of_page(PAGE).text(PERSON, mid, text, now),
    )
    .await;
}

async fn answered(stage: &Stage) -> SentMessage {
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    stage.answer(MessageStatus::Sent).await;
    sent.into_iter().next().unwrap()
}

async fn status(stage: &Stage) -> ConversationStatus {
    let id = stage.conversation().await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    conversations::get(&mut tx, id).await.unwrap().status
}

#[tokio::test]
async fn a_person_is_answered_once_as_a_response_with_our_mark() {
    let stage = stage().await;
    for _ in 0..2 {
        say(&stage, "m_1", "Do you sell tea?").await;
    }
    let sent = answered(&stage).await;
    stage.rest_in_peace().await;
    assert_eq!(
        (sent.phone_number_id.as_str(), sent.to.as_str()),
        (PAGE, PERSON)
    );
    assert_eq!(sent.text, "Answer to: Do you sell tea?");
    assert_eq!(sent.body["messaging_type"], "RESPONSE");
    let answer = stage.answer(MessageStatus::Sent).await;
    assert_eq!(sent.tag, Some(format!("metachat:{}", answer.id)));
    assert_eq!(answer.external_id, Some(sent.wamid));
    assert_eq!(stage.inbound().await.len(), 1);
    assert_eq!(stage.graph.received().len(), 1);
}

#[tokio::test]
async fn whoever_waits_sees_that_somebody_writes() {
    let stage = stage().await;
    say(&stage, "m_1", "Do you sell tea?").await;
    let on_the_page = stage.graph.wait_for_marks(2, PATIENCE).await.unwrap();
    assert_eq!(on_the_page[0]["sender_action"], "mark_seen");
    assert_eq!(on_the_page[1]["sender_action"], "typing_on");
    assert_eq!(on_the_page[1]["recipient"]["id"], PERSON);
    stage.rest_in_peace().await;
    stage.say("Do you sell tea?").await;
    let marks = stage.graph.wait_for_marks(3, PATIENCE).await.unwrap();
    assert_eq!(marks[2]["status"], "read");
    assert_eq!(marks[2]["typing_indicator"]["type"], "text");
}

#[tokio::test]
async fn a_person_reacts_twice_to_the_same_contact() {
    let stage = stage().await;
    say(&stage, "m_1", "Do you sell tea?").await;
    answered(&stage).await;
    let id = stage.conversation().await;
    for emoji in ["\u{1f44d}", "\u{2764}"] {
        let reaction = Content::Reaction {
            target: "m_1".to_owned(),
            emoji: Some(emoji.to_owned()),
        };
        let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
        let sent = people::send_message(&stage.assistant, &mut tx, id, &reaction, Some("Kim"));
        sent.await.unwrap();
        tx.commit().await.unwrap();
        stage.rest_in_peace().await;
    }
    let out = stage.outbound().await.split_off(1);
    for reaction in &out {
        assert_eq!(reaction.status, MessageStatus::Sent, "{reaction:?}");
        assert_eq!(reaction.send_attempts, 1);
    }
    assert_ne!(out[0].external_id, out[1].external_id);
    let marks = stage.graph.wait_for_marks(0, PATIENCE).await.unwrap();
    let reacted = marks.iter().filter(|mark| mark["sender_action"] == "react");
    assert_eq!(reacted.count(), 2);
}

#[tokio::test]
async fn receipts_move_everything_up_to_them_and_only_forward() {
    let stage = stage().await;
    say(&stage, "m_1", "Do you sell tea?").await;
    let sent = answered(&stage).await;
    let now = stage.assistant.clock.now();
    let watermark = |at: chrono::DateTime<chrono::Utc>| json!({"watermark": at.timestamp_millis()});
    let early = MessengerPost::of_page(PAGE).from_person(
        PERSON,
        now,
        "read",
        &watermark(now - chrono::TimeDelta::hours(1)),
    );
    post(&stage, early).await;
    stage.rest_in_peace().await;
    stage.answer(MessageStatus::Sent).await;
    let named = json!({"mids": [sent.wamid], "watermark": 1});
    let delivered = MessengerPost::of_page(PAGE).from_person(PERSON, now, "delivery", &named);
    post(&stage, delivered.clone()).await;
    stage.answer(MessageStatus::Delivered).await;
    let later = watermark(now + chrono::TimeDelta::minutes(1));
    let read = MessengerPost::of_page(PAGE).from_person(PERSON, now, "read", &later);
    post(&stage, read).await;
    stage.answer(MessageStatus::Read).await;
    post(&stage, delivered).await;
    stage.rest_in_peace().await;
    stage.answer(MessageStatus::Read).await;
}

#[tokio::test]
async fn our_own_echo_settles_a_send_whose_end_nobody_saw() {
    let stage = stage().await;
    stage.graph.script([GraphReply::AcceptThenDrop]);
    say(&stage, "m_1", "Do you sell tea?").await;
    let unknown = stage.answer(MessageStatus::Unknown).await;
    let sent = stage.graph.wait_for(1, PATIENCE).await.unwrap();
    let now = stage.assistant.clock.now();
    let echo = MessengerPost::of_page(PAGE).echo(
        PERSON,
        &sent[0].wamid,
        &sent[0].text,
        sent[0].tag.as_deref(),
        now,
    );
    post(&stage, echo).await;
    let settled = stage.answer(MessageStatus::Sent).await;
    assert_eq!(
        (settled.id, settled.external_id.as_deref()),
        (unknown.id, Some(&*sent[0].wamid))
    );
    stage.hurry().await;
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.requests().len(), 1);
    assert_eq!(status(&stage).await, ConversationStatus::Open);
}

#[tokio::test]
async fn a_person_in_the_pages_inbox_takes_the_conversation_over() {
    let stage = stage().await;
    say(&stage, "m_1", "Do you sell tea?").await;
    answered(&stage).await;
    let now = stage.assistant.clock.now();
    let echo = MessengerPost::of_page(PAGE).echo(PERSON, "m_inbox", "Hello, Kim here", None, now);
    post(&stage, echo.clone()).await;
    post(&stage, echo).await;
    stage.rest_in_peace().await;
    assert_eq!(status(&stage).await, ConversationStatus::AssignedHuman);
    say(&stage, "m_2", "Oh, hello Kim").await;
    stage.rest_in_peace().await;
    let out = stage.outbound().await;
    assert_eq!(out.len(), 2);
    assert_eq!(
        (out[1].author, out[1].status, out[1].text.as_str()),
        (Author::Agent, MessageStatus::Sent, "Hello, Kim here")
    );
    assert_eq!(stage.model.received().len(), 1);
}

#[tokio::test]
async fn a_takeover_while_the_model_thinks_silences_it() {
    let stage = stage().await;
    stage.model.script([OpenAiBehaviour {
        first_token_ms: 1500,
        ..OpenAiBehaviour::text("too late")
    }]);
    say(&stage, "m_1", "Do you sell tea?").await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    let now = stage.assistant.clock.now();
    let echo = MessengerPost::of_page(PAGE).echo(PERSON, "m_inbox", "Kim here", None, now);
    post(&stage, echo).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.graph.received().len(), 0);
    assert_eq!(stage.outbound().await.len(), 1);
}

#[tokio::test]
async fn what_another_app_has_to_answer_is_stored_and_not_answered() {
    let stage = stage().await;
    let now = stage.assistant.clock.now();
    post(
        &stage,
        MessengerPost::of_page(PAGE).standby(PERSON, "m_1", "Hello?", now),
    )
    .await;
    stage.rest_in_peace().await;
    assert_eq!(stage.inbound().await.len(), 1);
    assert_eq!(stage.model.received().len(), 0);
}

#[tokio::test]
async fn a_conversation_that_another_app_takes_and_gives_back() {
    let stage = stage().await;
    say(&stage, "m_1", "Do you sell tea?").await;
    answered(&stage).await;
    let now = stage.assistant.clock.now();
    let event = |key: &str| {
        let owners = json!({"new_owner_app_id": "5", "previous_owner_app_id": "6"});
        MessengerPost::of_page(PAGE).from_person(PERSON, now, key, &owners)
    };
    post(&stage, event("request_thread_control")).await;
    stage.rest_in_peace().await;
    assert_eq!(status(&stage).await, ConversationStatus::Open);
    post(&stage, event("take_thread_control")).await;
    stage.rest_in_peace().await;
    assert_eq!(status(&stage).await, ConversationStatus::AssignedHuman);
    post(&stage, event("pass_thread_control")).await;
    stage.rest_in_peace().await;
    assert_eq!(status(&stage).await, ConversationStatus::Open);
    assert_eq!(stage.count("messages").await, 2);
}

#[tokio::test]
async fn after_a_day_a_person_may_answer_and_the_machine_may_not() {
    let stage = stage().await;
    say(&stage, "m_1", "Do you sell tea?").await;
    answered(&stage).await;
    stage.pass(std::time::Duration::from_hours(25));
    let id = stage.conversation().await;
    for author in [Author::Assistant, Author::Agent] {
        let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
        let conversation = conversations::lock(&mut tx, id).await.unwrap();
        let text = format!("late words of the {author}");
        let content = Content::text(&text);
        assistant::deliver::queue_content(
            &stage.assistant,
            &mut tx,
            &conversation,
            author,
            &content,
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    stage.rest_in_peace().await;
    let out = eventually("both have ended", async || {
        let out = stage.outbound().await;
        (out.len() == 3).then_some(out)
    })
    .await;
    assert_eq!(out[1].status, MessageStatus::Failed);
    assert!(
        out[1]
            .error
            .as_ref()
            .unwrap()
            .contains("a person may still answer")
    );
    assert_eq!(out[2].status, MessageStatus::Sent);
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].body["messaging_type"], "MESSAGE_TAG");
    assert_eq!(sent[1].body["tag"], "HUMAN_AGENT");
}

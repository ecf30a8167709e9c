//! What contacts see of people who read and answer.

use assistant::people;
use domain::{ChannelKind, ConversationStatus, MessageStatus};
use serde_json::{Value, json};
use testkit::standin::MessengerPost;

use crate::stage::{APP_SECRET, PATIENCE, Stage};

const PAGE: &str = "300000000000001";
const PERSON: &str = "7000000000000001";

/// A stage whose only conversation a person has; the marks of the machine's answer are over.
async fn with_a_person() -> Stage {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.graph.wait_for_marks(1, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    stage.set_status(ConversationStatus::AssignedHuman).await;
    stage
}

/// A person opens the conversation and reads all of it.
async fn read(stage: &Stage) {
    let id = stage.conversation().await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let read = people::mark_read(&stage.assistant, &mut tx, id, i64::MAX).await;
    read.unwrap();
    tx.commit().await.unwrap();
}

async fn newest_id(stage: &Stage) -> Value {
    let newest = stage.inbound().await.pop().unwrap();
    newest.external_id.into()
}

#[tokio::test]
async fn a_person_who_reads_is_seen_to_have_read_once() {
    let stage = with_a_person().await;
    stage.say("Anybody there?").await;
    stage.rest_in_peace().await;
    for _ in 0..2 {
        read(&stage).await;
    }
    let marks = stage.graph.wait_for_marks(2, PATIENCE).await.unwrap();
    assert_eq!(marks[1]["status"], "read");
    assert_eq!(marks[1]["message_id"], newest_id(&stage).await);
    assert_eq!(marks[1].get("typing_indicator"), None);
    // The second look showed nothing: what comes next is the mark of the next message.
    stage.say("Hello?").await;
    stage.rest_in_peace().await;
    stage.write("Here I am.").await;
    let marks = stage.graph.wait_for_marks(3, PATIENCE).await.unwrap();
    assert_eq!(marks[2]["message_id"], newest_id(&stage).await);
    stage.rest_in_peace().await;
    assert_eq!(
        stage.graph.wait_for_marks(0, PATIENCE).await.unwrap().len(),
        3
    );
}

#[tokio::test]
async fn on_a_page_a_person_is_seen_to_have_read_as_well() {
    let stage = Stage::start().await;
    let config = json!({"page_id": PAGE, "page_access_token": "EAAG"});
    stage.connect(ChannelKind::Messenger, config).await;
    let write = async |mid: &str| {
        let now = stage.assistant.clock.now();
        let post = MessengerPost::of_page(PAGE).text(PERSON, mid, "Anybody there?", now);
        let signed = post.sign(APP_SECRET);
        stage.deliver_to(ChannelKind::Messenger, &signed).await;
        stage.rest_in_peace().await;
    };
    write("m_1").await;
    stage.graph.wait_for_marks(2, PATIENCE).await.unwrap();
    stage.set_status(ConversationStatus::AssignedHuman).await;
    write("m_2").await;
    read(&stage).await;
    let marks = stage.graph.wait_for_marks(3, PATIENCE).await.unwrap();
    assert_eq!(
        marks[2],
        json!({"recipient": {"id": PERSON}, "sender_action": "mark_seen"})
    );
}

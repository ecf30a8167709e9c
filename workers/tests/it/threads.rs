//! Pages whose people answer in the page's own inbox: conversations go there and come back.

use domain::{ChannelKind, ConversationStep, MessageStatus};
use serde_json::{Value, json};
use testkit::standin::{MessengerPost, ThreadMove};

use crate::stage::{APP_SECRET, PATIENCE, Stage};

const PAGE: &str = "300000000000001";
const PERSON: &str = "7000000000000001";
const INBOX: &str = "263902037430900";
const ASKS: &str = "I want to talk to a human";

async fn stage(has_inbox: bool) -> Stage {
    let stage = Stage::start().await;
    let config = json!({
        "page_id": PAGE, "page_access_token": "EAAG", "hand_off_to_inbox": has_inbox,
    });
    stage.connect(ChannelKind::Messenger, config).await;
    stage
}

async fn say(stage: &Stage, mid: &str, text: &str) {
    let now = stage.assistant.clock.now();
    let post = MessengerPost::of_page(PAGE).text(PERSON, mid, text, now);
    let signed = post.sign(APP_SECRET);
    stage.deliver_to(ChannelKind::Messenger, &signed).await;
}

fn names(moves: &[ThreadMove]) -> Vec<&str> {
    moves.iter().map(|it| it.path.as_str()).collect()
}

#[tokio::test]
async fn a_conversation_goes_to_the_inbox_where_a_person_is_wanted_and_comes_back() {
    let stage = stage(true).await;
    for (round, step) in [ConversationStep::Release, ConversationStep::Resolve]
        .into_iter()
        .enumerate()
    {
        say(&stage, &format!("m_{round}"), ASKS).await;
        let moves = stage.graph.wait_for_moves(2 * round + 1, PATIENCE).await;
        let moves = moves.unwrap();
        assert_eq!(moves[2 * round].page, PAGE);
        let body: &Value = &moves[2 * round].body;
        assert_eq!(body["target_app_id"], INBOX);
        assert_eq!(body["recipient"]["id"], PERSON);
        stage.rest_in_peace().await;
        stage.step(step).await;
        let moves = stage.graph.wait_for_moves(2 * round + 2, PATIENCE).await;
        let expected = ["pass_thread_control", "take_thread_control"].repeat(round + 1);
        assert_eq!(names(&moves.unwrap()), expected);
        stage.rest_in_peace().await;
    }
}

#[tokio::test]
async fn who_answers_here_has_the_conversation_here() {
    let stage = stage(true).await;
    say(&stage, "m_1", "Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    stage.write("Yes, we do.").await;
    let moves = stage.graph.wait_for_moves(1, PATIENCE).await.unwrap();
    assert_eq!(names(&moves), ["take_thread_control"]);
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn without_the_setting_a_conversation_is_not_moved() {
    let stage = stage(false).await;
    say(&stage, "m_1", ASKS).await;
    stage.rest_in_peace().await;
    stage.step(ConversationStep::Release).await;
    stage.rest_in_peace().await;
    let moves = stage.graph.wait_for_moves(0, PATIENCE).await.unwrap();
    assert_eq!(moves, []);
    assert_eq!(
        stage.count("job_history WHERE kind = 'move-thread'").await,
        0
    );
}

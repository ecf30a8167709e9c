//! Answers that nobody waits for any more: their making ends, and visitors see nothing more of them.

use std::sync::Arc;

use assistant::receive::{Intake, Item, ItemOwner};
use channels::webchat;
use domain::{ChannelId, ChannelKind, ConversationStep, MessageStatus, WebchatSessionId};
use futures::StreamExt as _;
use live::{Hub, LiveBody, Update};
use llm::HashedNgrams;
use serde_json::json;
use testkit::raw::{SSE, Seen, Server, Step};
use testkit::standin::{OpenAiBehaviour, OpenAiFault};

use crate::stage::{PATIENCE, Stage, settings};

/// An answer that begins and does not end.
fn endless() -> OpenAiBehaviour {
    OpenAiBehaviour {
        fault: Some(OpenAiFault::Stall { after_chunks: 2 }),
        ..OpenAiBehaviour::text("Well, let me see what we have.")
    }
}

#[tokio::test]
async fn an_answer_is_given_up_as_soon_as_more_is_written() {
    let late = OpenAiBehaviour {
        first_token_ms: 60_000,
        ..OpenAiBehaviour::text("too early")
    };
    for behaviour in [late, endless(), OpenAiFault::Hang.into()] {
        let stage = Stage::start().await;
        stage
            .model
            .script([behaviour, OpenAiBehaviour::text("to both")]);
        stage.say("Do you sell tea?").await;
        stage.model.wait_for(1, PATIENCE).await.unwrap();
        stage.say("Green tea, I mean").await;
        // Long before the first answer could have come.
        let answer = stage.answer(MessageStatus::Sent).await;
        assert_eq!(answer.text, "to both");
        stage.rest_in_peace().await;
        assert_eq!(stage.model.received().len(), 2);
        stage.end().await;
    }
}

#[tokio::test]
async fn an_answer_is_given_up_once_a_person_has_the_conversation() {
    let stage = Stage::start().await;
    stage.model.script([endless()]);
    stage.say("Do you sell tea?").await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    stage.step(ConversationStep::GoToPerson).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.outbound().await.len(), 0);
    assert_eq!(stage.model.received().len(), 1);
}

/// Answers as the wire has them: one that begins and does not end, and a whole one.
const BEGUN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Well, \"}}]}\n\n";
const WHOLE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"to both\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: [DONE]\n\n";

/// A stage whose model is asked over one connection after the other: `first` says what is done with the
/// first, and the others are answered whole once it is closed.
async fn stage_at(first: &[Step]) -> (Stage, Server) {
    let connections = vec![first.to_vec(), Server::stream(WHOLE, 1000)];
    let server = Server::start(connections).await;
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    stage.ask_at(server.url.as_str());
    stage.work().await;
    (stage, server)
}

/// What a model does that has not begun to answer, and one in the midst of it.
fn unfinished() -> [Vec<Step>; 2] {
    let begun = [
        Step::Raw(SSE.into()),
        Step::Chunk(BEGUN.into()),
        Step::AwaitClose,
    ];
    [vec![Step::AwaitClose], begun.to_vec()]
}

#[tokio::test]
async fn the_model_is_no_longer_asked_for_an_answer_that_more_words_outdate() {
    for first in unfinished() {
        let (stage, mut model) = stage_at(&first).await;
        stage.say("Do you sell tea?").await;
        model.request().await;
        stage.say("Green tea, I mean").await;
        // The next connection is taken after that.
        assert_eq!(model.seen().await, Seen::Closed);
        let (_, asked) = model.request().await;
        assert!(asked.to_string().contains("Green tea, I mean"), "{asked}");
        let answer = stage.answer(MessageStatus::Sent).await;
        assert_eq!(answer.text, "to both");
        stage.rest_in_peace().await;
        stage.end().await;
    }
}

#[tokio::test]
async fn the_model_is_no_longer_asked_once_a_person_has_the_conversation() {
    for first in unfinished() {
        let (stage, mut model) = stage_at(&first).await;
        stage.say("Do you sell tea?").await;
        model.request().await;
        stage.step(ConversationStep::GoToPerson).await;
        assert_eq!(model.seen().await, Seen::Closed);
        stage.rest_in_peace().await;
        assert_eq!(stage.outbound().await.len(), 0);
        stage.end().await;
    }
}

/// A visitor of the web chat writes.
pub(crate) async fn write(
    stage: &Stage,
    channel: ChannelId,
    session: WebchatSessionId,
    text: &str,
) {
    let now = stage.assistant.clock.now();
    let item = webchat::Item {
        session_id: session,
        visitor_id: "v-1".to_owned(),
        client_id: text.to_owned(),
        text: text.to_owned(),
        attachment: None,
        occurred_at: now,
    };
    let raw = item.into_raw_item().unwrap();
    let kept = Item {
        owner: ItemOwner::Channel(stage.tenant, channel),
        kind: raw.kind,
        payload: raw.payload,
    };
    let mut tx = stage.assistant.db.system().await.unwrap();
    Intake::new(&mut tx, ChannelKind::Webchat, now)
        .keep(vec![kept])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_visitor_sees_nothing_more_of_an_answer_that_is_given_up() {
    let stage = Stage::start().await;
    let channel = stage.connect(ChannelKind::Webchat, json!({})).await;
    let session = WebchatSessionId::new();
    stage
        .model
        .script([endless(), OpenAiBehaviour::text("to both")]);
    let hub = Hub::start(&stage.assistant.db);
    write(&stage, channel, session, "Do you sell tea?").await;
    stage.model.wait_for(1, PATIENCE).await.unwrap();
    let conversation = stage.conversation().await;
    let mut seen = hub.subscribe(conversation);
    write(&stage, channel, session, "Green tea, I mean").await;
    let mut deltas = Vec::new();
    let answered = async {
        while let Some(Update::Event(event)) = seen.next().await {
            match event.body {
                LiveBody::AnswerDelta { turn, text, .. } => deltas.push((turn, text)),
                LiveBody::Message { seq: 3 } => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
    let taken_back = deltas.iter().position(|it| *it == (1, String::new()));
    let after = &deltas[taken_back.unwrap() + 1..];
    assert!(after.iter().all(|(turn, _)| *turn == 2), "{deltas:?}");
    let shown: String = after.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(shown, "to both");
}

//! Answers that nobody waits for any more: their making ends, and visitors see nothing more of them.

use assistant::receive::{Intake, Item, ItemOwner};
use channels::webchat;
use domain::{ChannelId, ChannelKind, ConversationStep, MessageStatus, WebchatSessionId};
use futures::StreamExt as _;
use live::{Hub, LiveBody, Update};
use serde_json::json;
use testkit::standin::{OpenAiBehaviour, OpenAiFault};

use crate::stage::{PATIENCE, Stage};

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

/// A visitor of the web chat writes.
async fn write(stage: &Stage, channel: ChannelId, session: WebchatSessionId, text: &str) {
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

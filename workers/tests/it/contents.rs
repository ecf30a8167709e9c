//! What a person sends that is more than words, in the form of each channel.

use assistant::{Error, people};
use domain::{ChannelKind, Content, MessageStatus};
use serde_json::{Value, json};
use testkit::standin::MessengerPost;

use crate::stage::{APP_SECRET, PATIENCE, Stage};

fn content(value: Value) -> Content {
    serde_json::from_value(value).unwrap()
}

fn question() -> Content {
    content(
        json!({"type": "choices", "body": "Which **tea**?", "choices": [
            {"id": "g", "title": "Green"}, {"id": "b", "title": "Black"},
        ]}),
    )
}

fn template() -> Content {
    content(
        json!({"type": "template", "name": "order_ready", "language": "en_US",
        "body": [{"text": "No. 7"}]}),
    )
}

async fn send(stage: &Stage, content: &Content) -> Result<usize, Error> {
    let id = stage.conversation().await;
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    let sent = people::send_message(&stage.assistant, &mut tx, id, content, Some("Kim")).await?;
    tx.commit().await.unwrap();
    Ok(sent.len())
}

#[tokio::test]
async fn whatsapp_gets_buttons_files_and_templates_in_its_own_form() {
    let stage = Stage::start().await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    let file = content(
        json!({"type": "media", "media_kind": "image", "caption": "Our shop",
        "file": {"link": "https://shop.example/a.png"}}),
    );
    for content in [&question(), &file, &template()] {
        send(&stage, content).await.unwrap();
    }
    let sent = stage.graph.wait_for(4, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    let kinds: Vec<&str> = sent
        .iter()
        .map(|it| it.body["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["text", "interactive", "image", "template"]);
    let buttons = &sent[1].body["interactive"]["action"]["buttons"];
    assert_eq!(buttons[1]["reply"]["title"], "Black");
    assert_eq!(sent[2].body["image"]["link"], "https://shop.example/a.png");
    assert_eq!(sent[3].body["template"]["name"], "order_ready");
    let texts: Vec<String> = stage
        .outbound()
        .await
        .into_iter()
        .map(|it| it.text)
        .collect();
    assert_eq!(
        texts[1..],
        [
            "Which **tea**? [Green | Black]",
            "[image] Our shop",
            "[template: order_ready]"
        ]
    );
    // A template needs no window.
    stage.pass(std::time::Duration::from_hours(30));
    send(&stage, &template()).await.unwrap();
    send(&stage, &question()).await.unwrap();
    stage.rest_in_peace().await;
    let last = stage.outbound().await.split_off(4);
    assert_eq!(last[0].status, MessageStatus::Sent);
    assert_eq!(last[1].status, MessageStatus::Failed);
}

#[tokio::test]
async fn what_a_channel_has_no_form_for_is_refused_and_nothing_is_stored() {
    let stage = Stage::start().await;
    let config = json!({"page_id": "300000000000001", "page_access_token": "EAAG-token"});
    stage.connect(ChannelKind::Messenger, config).await;
    let now = stage.assistant.clock.now();
    let post = MessengerPost::of_page("300000000000001").text("7", "m_1", "Hello?", now);
    let signed = post.sign(APP_SECRET);
    stage.deliver_to(ChannelKind::Messenger, &signed).await;
    stage.answer(MessageStatus::Sent).await;
    // Marks alone say nothing, and films have a limit of their own.
    for nothing in [template(), Content::text("#")] {
        let refused = send(&stage, &nothing).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    assert_eq!(stage.count("conversations WHERE status = 'open'").await, 1);
    send(&stage, &question()).await.unwrap();
    stage.rest_in_peace().await;
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 2);
    let replies = &sent[1].body["message"]["quick_replies"];
    assert_eq!(replies[0]["title"], "Green");
    let film = content(json!({"type": "media", "media_kind": "video",
        "file": {"link": "https://shop.example/a.mp4"}}));
    send(&stage, &film).await.unwrap();
    stage.rest_in_peace().await;
    let heavy = "job_history WHERE limit_key_2 = 'fb-page-media:300000000000001'";
    assert_eq!(stage.count(heavy).await, 1);
}

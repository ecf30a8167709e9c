//! The generic channel: signed posts in, signed posts out.

use assistant::receive::posts;
use channels::Post;
use domain::{ChannelId, ChannelKind, MessageStatus};
use http::HeaderMap;
use secrecy::ExposeSecret as _;
use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use store::message_files;
use testkit::standin::{Receiver, ReceiverReply};

use crate::agent_files::{keep, send};
use crate::stage::{PATIENCE, Stage};

/// A stage with a channel of the tenant's own system.
pub(crate) struct Other {
    pub(crate) stage: Stage,
    pub(crate) system: Receiver,
    secret: WebhookSecret,
    channel: ChannelId,
}

impl Other {
    pub(crate) async fn start() -> Self {
        let stage = Stage::start().await;
        let system = Receiver::start(0).await.unwrap();
        let secret = WebhookSecret::generate();
        let config = json!({"send_url": system.url(), "secret": secret.to_text().expose_secret()});
        let channel = stage.connect(ChannelKind::Http, config).await;
        Self {
            stage,
            system,
            secret,
            channel,
        }
    }

    pub(crate) async fn post(&self, event: &Value) -> Result<(), assistant::Error> {
        self.post_as(&self.secret, event).await
    }

    async fn post_as(&self, secret: &WebhookSecret, event: &Value) -> Result<(), assistant::Error> {
        let body = event.to_string();
        let now = self.stage.assistant.clock.now();
        let signature = sign_with_all(
            std::slice::from_ref(secret),
            "msg_1",
            now.timestamp(),
            body.as_bytes(),
        );
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert("webhook-timestamp", now.timestamp().into());
        headers.insert("webhook-signature", signature.parse().unwrap());
        let post = Post {
            headers: &headers,
            body: body.as_bytes(),
            received_at: now,
        };
        posts::receive_for(
            &self.stage.assistant,
            ChannelKind::Http,
            self.channel,
            &post,
        )
        .await
    }

    pub(crate) fn question(&self) -> Value {
        let now = self.stage.assistant.clock.now();
        json!({
            "type": "message", "id": "in-1", "timestamp": now.to_rfc3339(),
            "contact": {"id": "c-1", "name": "Ana"}, "text": "Do you sell tea?",
        })
    }
}

#[tokio::test]
async fn a_question_is_answered_by_a_post_that_we_signed() {
    let other = Other::start().await;
    other.post(&other.question()).await.unwrap();
    let posts = other.system.wait_for(1, PATIENCE).await.unwrap();
    let answer = other.stage.answer(MessageStatus::Sent).await;
    other.stage.rest_in_peace().await;
    let post = &posts[0];
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(body["type"], "message");
    assert_eq!(body["to"], "c-1");
    assert_eq!(body["text"], "Answer to: Do you sell tea?");
    assert_eq!(body["id"], answer.id.to_string());
    let stamp: i64 = post.header("webhook-timestamp").unwrap().parse().unwrap();
    let id = post.header("webhook-id").unwrap();
    let signature = post.header("webhook-signature").unwrap();
    assert!(
        other
            .secret
            .verify(signature, id, stamp, &post.body, stamp)
            .is_ok()
    );
}

#[tokio::test]
async fn a_system_that_is_down_gets_the_same_post_again_with_the_same_id() {
    let other = Other::start().await;
    other
        .system
        .script([ReceiverReply::Status { status: 503 }, ReceiverReply::Drop]);
    other.post(&other.question()).await.unwrap();
    for tries in 1..=2 {
        other.system.wait_for(tries, PATIENCE).await.unwrap();
        other.stage.put_off("send-reply").await;
        other.stage.hurry().await;
    }
    other.stage.answer(MessageStatus::Sent).await;
    other.stage.rest_in_peace().await;
    let posts = other.system.received();
    let ids: Vec<_> = posts.iter().map(|post| post.header("webhook-id")).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test]
async fn a_message_that_is_given_the_id_of_another_is_sent_once_and_keeps_ours() {
    let other = Other::start().await;
    // The id of the question itself, and something that no row can hold.
    for (nth, id) in ["in-1", "a\\u0000"].into_iter().enumerate() {
        let body = format!("{{\"id\": \"{id}\"}}");
        other.system.script([ReceiverReply::Json { body }]);
        let mut question = other.question();
        question["id"] = json!(format!("in-{}", nth + 1));
        other.post(&question).await.unwrap();
        other.system.wait_for(nth + 1, PATIENCE).await.unwrap();
        other.stage.rest_in_peace().await;
    }
    let sent = other.stage.outbound().await;
    let ids: Vec<Option<&str>> = sent
        .iter()
        .map(|message| message.external_id.as_deref())
        .collect();
    assert!(
        sent.iter()
            .all(|message| message.status == MessageStatus::Sent),
        "{sent:?}"
    );
    let own = sent[0].id.to_string();
    assert_eq!(ids, [Some(own.as_str()), Some("a\u{fffd}")]);
    assert_eq!(other.system.received().len(), 2);
}

#[tokio::test]
async fn reports_of_the_other_system_move_messages() {
    let other = Other::start().await;
    other.post(&other.question()).await.unwrap();
    let answer = other.stage.answer(MessageStatus::Sent).await;
    let now = other.stage.assistant.clock.now();
    let report = json!({
        "type": "status", "id": answer.external_id, "status": "read",
        "timestamp": now.to_rfc3339(),
    });
    other.post(&report).await.unwrap();
    other.stage.answer(MessageStatus::Read).await;
}

#[tokio::test]
async fn a_post_signed_by_another_secret_or_for_another_kind_is_refused() {
    let other = Other::start().await;
    let forged = other
        .post_as(&WebhookSecret::generate(), &other.question())
        .await;
    assert!(matches!(forged, Err(assistant::Error::Unauthenticated)));
    let headers = HeaderMap::new();
    let post = Post {
        headers: &headers,
        body: b"{}",
        received_at: other.stage.assistant.clock.now(),
    };
    let elsewhere = posts::receive_for(
        &other.stage.assistant,
        ChannelKind::Messenger,
        other.channel,
        &post,
    );
    assert!(matches!(elsewhere.await, Err(assistant::Error::NotFound)));
    assert_eq!(other.stage.count("raw_items").await, 0);
}

#[tokio::test]
async fn a_file_of_a_persons_is_named_by_the_id_it_is_fetched_by() {
    let other = Other::start().await;
    other.post(&other.question()).await.unwrap();
    other.system.wait_for(1, PATIENCE).await.unwrap();
    other.stage.rest_in_peace().await;
    let file = keep(&other.stage, "list.txt", b"tea\nmore tea\n").await;
    let sent = send(&other.stage, &file, Some("What we *have*")).await;
    let sent = sent.unwrap().remove(0);
    let posts = other.system.wait_for(2, PATIENCE).await.unwrap();
    let body: Value = serde_json::from_slice(&posts[1].body).unwrap();
    assert_eq!(body["text"], "What we have");
    assert_eq!(body["content"]["file"], sent.content["file"]);
    assert_eq!(body["content"]["filename"], "list.txt");
    let mut tx = other
        .stage
        .assistant
        .db
        .tenant(other.stage.tenant)
        .await
        .unwrap();
    let kept = message_files::list(&mut tx, &[sent.id]).await.unwrap();
    assert_eq!(body["content"]["file"]["kept"], kept[0].id.to_string());
}

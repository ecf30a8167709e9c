//! Events reach the integrator's address, signed.

use domain::{EndpointId, MessageStatus};
use secrecy::ExposeSecret as _;
use secrets::{WebhookSecret, row_context};
use serde_json::Value;
use store::webhook_endpoints::{self, EndpointValues, SECRET_COLUMN};
use testkit::standin::Receiver;

use crate::stage::{PATIENCE, Stage};

impl Stage {
    /// An address that receives every event.
    pub(crate) async fn endpoint(&self, url: &str) -> WebhookSecret {
        let id = EndpointId::new();
        let secret = WebhookSecret::generate();
        let context = row_context(SECRET_COLUMN.0, SECRET_COLUMN.1, id.as_uuid());
        let text = secret.to_text();
        let sealed = self
            .assistant
            .keyring
            .seal(&context, text.expose_secret().as_bytes())
            .unwrap();
        let values = EndpointValues {
            url,
            description: "",
            event_types: &[],
            enabled: true,
        };
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        webhook_endpoints::insert(&mut tx, id, &values, &sealed)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        secret
    }
}

#[tokio::test]
async fn a_message_and_its_answer_are_told_by_signed_webhooks() {
    let stage = Stage::start().await;
    let receiver = Receiver::start(0).await.unwrap();
    let secret = stage.endpoint(receiver.url()).await;
    stage.say("Do you sell tea?").await;
    stage.answer(MessageStatus::Sent).await;
    // The conversation, the message, the answer's beginning and end, and its send.
    let posts = receiver.wait_for(5, PATIENCE).await.unwrap();
    stage.rest_in_peace().await;
    let now = stage.assistant.clock.now().timestamp();
    let mut told: Vec<(String, String)> = Vec::new();
    for post in &posts {
        let header = |name| post.header(name).unwrap();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let signature = header("webhook-signature");
        let at = timestamp.parse().unwrap();
        secret.verify(signature, id, at, &post.body, now).unwrap();
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        told.push((text(&body["type"]), text(&body["data"]["text"])));
    }
    told.sort();
    let expected = [
        ("answer.completed", ""),
        ("answer.started", ""),
        ("conversation.created", ""),
        ("message.received", "Do you sell tea?"),
        ("message.sent", "Answer to: Do you sell tea?"),
    ];
    assert_eq!(
        told,
        expected.map(|(kind, text)| (kind.to_owned(), text.to_owned()))
    );
}

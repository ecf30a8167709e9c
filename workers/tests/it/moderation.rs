//! A tenant's own service judges what contacts write and what models answer.

use std::time::Duration;

use domain::{
    ChannelKind, MessageStatus, ModerationSettings, OnFailure, TenantSettings, UnansweredReason,
    WebchatSessionId,
};
use futures::StreamExt as _;
use live::{Hub, LiveBody, Update};
use secrecy::ExposeSecret as _;
use secrets::{WebhookSecret, row_context};
use serde_json::{Value, json};
use store::tenants::{self, TenantSecrets, TenantValues};
use testkit::standin::{OpenAiBehaviour, ReceivedPost, Receiver, ReceiverBehaviour, ReceiverReply};

use crate::given_up::write;
use crate::looks::eventually;
use crate::stage::{PATIENCE, Stage, settings};

const REFUSAL: &str = "We do not talk about that.";

/// A tenant with a service that allows everything that no script blocks.
struct Moderated {
    stage: Stage,
    service: Receiver,
    secret: WebhookSecret,
    settings: TenantSettings,
}

fn verdict(verdict: &str) -> ReceiverReply {
    let body = json!({"verdict": verdict, "reason": "as it is scripted"}).to_string();
    ReceiverReply::Json { body }
}

impl Moderated {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut ModerationSettings)) -> Self {
        let service = Receiver::start(0).await.unwrap();
        service.otherwise(verdict("allow"));
        let mut settings = settings();
        settings.moderation = ModerationSettings {
            text: REFUSAL.to_owned(),
            url: service.url().parse().ok(),
            ..ModerationSettings::default()
        };
        change(&mut settings.moderation);
        let moderated = Self {
            stage: Stage::start_with(settings.clone()).await,
            service,
            secret: WebhookSecret::generate(),
            settings,
        };
        let text = moderated.secret.to_text();
        moderated.seal(Some(text.expose_secret())).await;
        moderated
    }

    async fn seal(&self, secret: Option<&str>) {
        let secrets = TenantSecrets {
            moderation_secret: secret.map(str::to_owned),
            ..TenantSecrets::default()
        };
        let (table, column) = tenants::SECRETS_COLUMN;
        let context = row_context(table, column, self.stage.tenant.as_uuid());
        let keyring = &self.stage.assistant.keyring;
        let sealed = keyring.seal_json(&context, &secrets).unwrap();
        let values = TenantValues {
            name: "Shop",
            enabled: true,
            settings: &self.settings,
            sealed_secrets: Some(&sealed),
        };
        let db = &self.stage.assistant.db;
        let mut tx = db.tenant(self.stage.tenant).await.unwrap();
        tenants::update(&mut tx, &values).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What the service was posted, each post with its direction and text.
    fn asked(&self) -> Vec<(String, String)> {
        let posts = self.service.received().into_iter();
        posts
            .map(|post| {
                let body = body(&post);
                let text = |name: &str| body[name].as_str().unwrap().to_owned();
                (text("direction"), text("text"))
            })
            .collect()
    }
}

fn body(post: &ReceivedPost) -> Value {
    serde_json::from_slice(&post.body).unwrap()
}

fn inbound(text: &str) -> (String, String) {
    ("inbound".to_owned(), text.to_owned())
}

fn outbound(text: &str) -> (String, String) {
    ("outbound".to_owned(), text.to_owned())
}

#[tokio::test]
async fn what_both_sides_say_is_posted_signed_and_goes_on_once_it_is_allowed() {
    let shop = Moderated::start().await;
    shop.stage.say("Do you sell tea?").await;
    let answer = "Answer to: Do you sell tea?";
    assert_eq!(shop.stage.texts().await, [answer]);
    assert_eq!(
        shop.asked(),
        [inbound("Do you sell tea?"), outbound(answer)]
    );
    let posts = shop.service.received();
    for post in &posts {
        let stamp: i64 = post.header("webhook-timestamp").unwrap().parse().unwrap();
        let id = post.header("webhook-id").unwrap();
        let signature = post.header("webhook-signature").unwrap();
        let now = shop.stage.assistant.clock.now().timestamp();
        let verified = shop.secret.verify(signature, id, stamp, &post.body, now);
        assert_eq!(verified, Ok(()));
        assert_eq!(post.method, "POST");
        assert_eq!(post.header("content-type"), Some("application/json"));
    }
    assert_ne!(posts[0].header("webhook-id"), posts[1].header("webhook-id"));
    let conversation = shop.stage.conversation().await;
    let expected = json!({
        "type": "moderation", "direction": "inbound", "tenant_id": shop.stage.tenant,
        "conversation_id": conversation, "channel": "whatsapp", "text": "Do you sell tea?",
    });
    assert_eq!(body(&posts[0]), expected);
}

#[tokio::test]
async fn what_a_contact_writes_and_the_service_blocks_reaches_no_model_then_or_later() {
    let shop = Moderated::start().await;
    shop.service.script([verdict("block")]);
    shop.stage.say("Do you sell dynamite?").await;
    assert_eq!(shop.stage.texts().await, [REFUSAL]);
    assert_eq!(shop.stage.model.received().len(), 0);
    let blocked = Some(UnansweredReason::Blocked);
    assert_eq!(shop.stage.silences().await, [blocked]);
    shop.stage.say("And tea?").await;
    assert_eq!(shop.stage.texts().await[1], "Answer to: And tea?");
    assert_eq!(shop.stage.silences().await, [blocked, None]);
    let asked = &shop.stage.model.received()[0].body;
    assert!(!asked.to_string().contains("dynamite"), "{asked}");
}

#[tokio::test]
async fn an_answer_that_the_service_blocks_is_not_stored() {
    let shop = Moderated::start().await;
    let answer = "Yes: tea and dynamite.";
    shop.stage.model.script([OpenAiBehaviour::text(answer)]);
    shop.service.script([verdict("allow"), verdict("block")]);
    shop.stage.say("What do you sell?").await;
    assert_eq!(shop.stage.texts().await, [REFUSAL]);
    assert_eq!(
        shop.asked(),
        [inbound("What do you sell?"), outbound(answer)]
    );
    let blocked = Some(UnansweredReason::Blocked);
    assert_eq!(shop.stage.silences().await, [blocked]);
    let stored = format!("messages WHERE text = '{answer}'");
    assert_eq!(shop.stage.count(&stored).await, 0);
}

/// What is no verdict.
fn failures(elsewhere: &str) -> [ReceiverReply; 7] {
    [
        ReceiverReply::Hang,
        ReceiverReply::Drop,
        ReceiverReply::Status { status: 500 },
        ReceiverReply::Status { status: 403 },
        ReceiverReply::Redirect {
            location: elsewhere.to_owned(),
        },
        // 200, and nothing with it.
        ReceiverReply::Ok,
        verdict("perhaps"),
    ]
}

#[tokio::test]
async fn what_a_service_gives_no_verdict_on_is_blocked() {
    let shop = Moderated::start_with(|moderation| moderation.timeout_seconds = 1).await;
    let elsewhere = format!("{}/elsewhere", shop.service.url());
    for (nth, failure) in failures(&elsewhere).into_iter().enumerate() {
        shop.service.otherwise(failure);
        shop.stage.say(&format!("Question {nth}")).await;
        assert_eq!(shop.stage.texts().await, vec![REFUSAL; nth + 1]);
        assert_eq!(
            shop.asked().pop(),
            Some(inbound(&format!("Question {nth}")))
        );
    }
    assert_eq!(shop.stage.model.received().len(), 0);
    let posts = shop.service.received();
    assert!(posts.iter().all(|post| post.path == "/"), "{posts:?}");
    let blocked = Some(UnansweredReason::Blocked);
    assert_eq!(shop.stage.silences().await, vec![blocked; 7]);
}

#[tokio::test]
async fn what_a_service_gives_no_verdict_on_goes_on_where_the_tenant_wants_it() {
    let shop = Moderated::start_with(|moderation| {
        moderation.timeout_seconds = 1;
        moderation.on_failure = OnFailure::Allow;
    })
    .await;
    let elsewhere = format!("{}/elsewhere", shop.service.url());
    for (nth, failure) in failures(&elsewhere).into_iter().enumerate() {
        shop.service.otherwise(failure);
        shop.stage.say(&format!("Question {nth}")).await;
        let answer = format!("Answer to: Question {nth}");
        assert_eq!(shop.stage.texts().await.len(), nth + 1);
        assert_eq!(shop.stage.texts().await.pop().as_ref(), Some(&answer));
        assert_eq!(shop.asked().pop(), Some(outbound(&answer)));
    }
    assert_eq!(shop.stage.silences().await, vec![None; 7]);
    // A verdict counts all the same.
    shop.service.otherwise(verdict("block"));
    shop.stage.say("Do you sell dynamite?").await;
    assert_eq!(shop.stage.texts().await.pop().as_deref(), Some(REFUSAL));
}

#[tokio::test]
async fn nothing_is_posted_unsigned_or_where_no_service_is_set() {
    let mut shop = Moderated::start().await;
    shop.seal(None).await;
    shop.stage.say("Do you sell tea?").await;
    assert_eq!(shop.stage.texts().await, [REFUSAL]);
    shop.settings.moderation.url = None;
    let text = shop.secret.to_text();
    shop.seal(Some(text.expose_secret())).await;
    shop.stage.say("And coffee?").await;
    assert_eq!(shop.stage.texts().await[1], "Answer to: And coffee?");
    assert!(shop.asked().is_empty());
}

#[tokio::test]
async fn the_service_is_not_asked_about_what_the_list_of_words_blocks() {
    let blocked = vec!["dynamite".to_owned()];
    let shop = Moderated::start_with(|moderation| moderation.blocked = blocked).await;
    let model = &shop.stage.model;
    model.script([OpenAiBehaviour::text("Yes: tea and dynamite.")]);
    shop.stage.say("Do you sell dynamite?").await;
    assert_eq!(shop.stage.texts().await, [REFUSAL]);
    shop.stage.say("What do you sell?").await;
    assert_eq!(shop.stage.texts().await, [REFUSAL, REFUSAL]);
    assert_eq!(shop.asked(), [inbound("What do you sell?")]);
}

#[tokio::test]
async fn a_message_is_stored_while_the_service_is_asked_and_ends_the_asking() {
    let shop = Moderated::start_with(|moderation| moderation.timeout_seconds = 10).await;
    shop.service.script([ReceiverReply::Hang]);
    let begun = std::time::Instant::now();
    shop.stage.say("Do you sell tea?").await;
    shop.service.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(shop.stage.inbound().await.len(), 1);
    shop.stage.say("Green tea, I mean").await;
    eventually("the service is asked about both", async || {
        let both = inbound("Do you sell tea?\nGreen tea, I mean");
        shop.asked().contains(&both).then_some(())
    })
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it was waited for"
    );
    shop.stage.answer(MessageStatus::Sent).await;
    shop.stage.rest_in_peace().await;
    assert_eq!(shop.stage.model.received().len(), 1);
    assert_eq!(shop.stage.silences().await, [None, None]);
}

#[tokio::test]
async fn a_visitor_sees_nothing_of_an_answer_before_its_verdict() {
    let shop = Moderated::start().await;
    let stage = &shop.stage;
    let channel = stage.connect(ChannelKind::Webchat, json!({})).await;
    let session = WebchatSessionId::new();
    let hub = Hub::start(&stage.assistant.db);
    write(stage, channel, session, "Hello").await;
    stage.rest_in_peace().await;
    let mut seen = hub.subscribe(stage.conversation().await);
    let slowly = ReceiverBehaviour {
        reply: verdict("block"),
        delay_ms: 500,
    };
    shop.service.script([verdict("allow").into(), slowly]);
    write(stage, channel, session, "Do you sell tea?").await;
    let mut shown = String::new();
    let answered = async {
        while let Some(Update::Event(event)) = seen.next().await {
            match event.body {
                LiveBody::AnswerDelta { text, .. } => shown.push_str(&text),
                LiveBody::Message { seq: 4 } => return,
                _ => {}
            }
        }
        panic!("the events ended");
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(shown, "");
    stage.rest_in_peace().await;
    let said: Vec<String> = stage
        .outbound()
        .await
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(said, ["Answer to: Hello", REFUSAL]);
}

//! The kill of a process at the steps of a message's way, on the channels besides WhatsApp: a page,
//! whose echo settles a send whose end nobody saw, and the generic channel, whose receiver knows a
//! repeat by its id.

use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use testkit::standin::{MessengerPost, Receiver, SignedPost, StatusWebhook, WhatsappClient};

use crate::http::Http;
use crate::process::until;
use crate::shop::{id, tenant};
use crate::stage::Stage;

const PAGE: &str = "300000000000001";
const PERSON: &str = "7000000000000001";
const APP_SECRET: &str = "the-pages-own-app-secret";
const QUESTION: &str = "When do you open?";

const LEFT_TO_DO: &str = "SELECT (SELECT count(*) FROM jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome = 'pending')";
const FAILED: &str = "SELECT (SELECT count(*) FROM dead_jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome = 'failed')
    + (SELECT count(*) FROM messages WHERE status = 'failed')";

fn model() -> Value {
    json!({"provider": "openai", "model": "gpt-4o-mini"})
}

/// A tenant's channel; its id.
async fn connect(http: &Http, tenant: &str, channel: &Value) -> String {
    let path = format!("/api/tenants/{tenant}/channels");
    id(&http.post(&path, channel).await.expect(201))
}

/// The messages of the one conversation, once the answer has come so far and nothing is left.
async fn settled(http: &Http, stage: &Stage, tenant: &str, status: &str) -> Vec<Value> {
    until("everything is answered and done", || async {
        let path = format!("/api/tenants/{tenant}/conversations");
        let conversations = http.get(&path).await.expect(200);
        let conversation = id(conversations["data"].as_array().unwrap().first()?);
        let path = format!("{path}/{conversation}/messages");
        let page = http.get(&path).await.expect(200);
        let messages = page["data"].as_array().unwrap().clone();
        let is_settled = messages.iter().any(|message| message["status"] == status);
        (is_settled && stage.count(LEFT_TO_DO).await == 0).then_some(messages)
    })
    .await
}

fn see_one_answer(messages: &[Value]) -> &Value {
    let [question, answer] = messages else {
        panic!("{messages:?}");
    };
    assert_eq!(question["text"], QUESTION);
    assert_eq!(answer["text"], format!("Answer to: {QUESTION}"));
    answer
}

/// A person writes on a page, and a worker is killed at `point`.
async fn kill_on_a_page(point: &str) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let tenant = tenant(&api.http, &model()).await;
    let channel = json!({"type": "messenger", "name": "Page", "config": {
        "page_id": PAGE, "page_access_token": "EAAG-token", "app_secret": APP_SECRET,
    }});
    let channel = connect(&api.http, &tenant, &channel).await;
    let url = format!("{}/webhooks/messenger/{channel}", api.http.base());
    stage.graph.send_statuses_to(StatusWebhook {
        url: url.clone(),
        app_secret: APP_SECRET.to_owned(),
    });
    let doomed = stage.worker_with(&format!("{point}=kill"));
    let meta = WhatsappClient::new(&url, APP_SECRET).unwrap();
    let now = domain::Clock::system().now();
    let post = MessengerPost::of_page(PAGE).text(PERSON, "m_1", QUESTION, now);
    // Delivered twice, as Meta may.
    for _ in 0..2 {
        let signed: SignedPost = post.sign(APP_SECRET);
        assert_eq!(meta.post_signed(signed).await.unwrap(), 200);
    }
    doomed.killed().await;
    let next = stage.worker();
    let messages = settled(&api.http, &stage, &tenant, "delivered").await;
    next.drained().await;
    let answer = see_one_answer(&messages);
    let sent = stage.graph.received();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let tag = format!("metachat:{}", answer["id"].as_str().unwrap());
    assert_eq!(sent[0].tag, Some(tag));
    assert_eq!(stage.count(FAILED).await, 0);
}

/// Another system posts a question, and a worker is killed at `point`.
async fn kill_on_the_generic_channel(point: &str) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let tenant = tenant(&api.http, &model()).await;
    let system = Receiver::start(0).await.unwrap();
    let secret = WebhookSecret::generate();
    let text = secrecy::ExposeSecret::expose_secret(&secret.to_text()).to_owned();
    let channel = json!({"type": "http", "name": "Own", "config": {
        "send_url": system.url(), "secret": text,
    }});
    let channel = connect(&api.http, &tenant, &channel).await;
    let worker = |failpoints: &str| {
        let variables = [
            ("METACHAT_FAILPOINTS", failpoints),
            ("METACHAT_OUTBOUND_ALLOW", "127.0.0.0/8"),
        ];
        stage.start_with("worker", &variables)
    };
    let doomed = worker(&format!("{point}=kill"));
    let now = domain::Clock::system().now();
    let body = json!({
        "type": "message", "id": "in-1", "timestamp": now.to_rfc3339(),
        "contact": {"id": "c-1"}, "text": QUESTION,
    })
    .to_string();
    let stamp = now.timestamp();
    let signature = sign_with_all(
        std::slice::from_ref(&secret),
        "msg_1",
        stamp,
        body.as_bytes(),
    );
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &*stamp.to_string()),
        ("webhook-signature", &*signature),
    ];
    let path = format!("/webhooks/http/{channel}");
    let reply = api.http.post_as(&path, &headers, body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    doomed.killed().await;
    let next = worker("");
    let messages = settled(&api.http, &stage, &tenant, "sent").await;
    next.drained().await;
    let answer = see_one_answer(&messages);
    let posts = system.received();
    // A repeat is known by its id.
    for post in &posts {
        assert_eq!(
            post.header("webhook-id"),
            answer["id"].as_str(),
            "{posts:?}"
        );
    }
    assert!((1..=2).contains(&posts.len()), "{posts:?}");
    assert_eq!(stage.count(FAILED).await, 0);
}

macro_rules! killed {
    ($($name:ident: $run:ident at $point:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            $run($point).await;
        }
    )*};
}

killed! {
    process_killed_before_a_pages_message_is_stored: kill_on_a_page at "inbound.before_commit";
    process_killed_before_a_pages_answer_is_stored: kill_on_a_page at "answer.before_commit";
    process_killed_before_a_page_sends: kill_on_a_page at "send.before_request";
    process_killed_after_a_page_sent: kill_on_a_page at "send.after_request";
    process_killed_before_a_pages_send_is_noted: kill_on_a_page at "send.before_sent_commit";
    process_killed_before_a_pages_receipt_is_stored: kill_on_a_page at "status.before_commit";
    process_killed_before_another_systems_message_is_stored:
        kill_on_the_generic_channel at "inbound.before_commit";
    process_killed_before_another_system_is_posted_to:
        kill_on_the_generic_channel at "send.before_request";
    process_killed_after_another_system_was_posted_to:
        kill_on_the_generic_channel at "send.after_request";
    process_killed_before_the_post_to_another_system_is_noted:
        kill_on_the_generic_channel at "send.before_sent_commit";
}

//! Many customers on three channels at once, while Meta, the model and the other system fail at
//! random, and everything comes in twice and in any order: every message has one answer or a visible
//! reason, and answers leave in order.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use testkit::standin::{
    GraphBehaviour, GraphReply, MessengerPost, ModelBehaviour, ModelFault, Receiver, ReceiverReply,
    Sender, SignedPost, StatusPlan, StatusWebhook, TextMessage, WhatsappClient, WhatsappPost,
};

use crate::http::Http;
use crate::process::until;
use crate::shop::{id, tenant};
use crate::stage::Stage;

const APP_SECRET: &str = "the-platforms-app-secret";
const NUMBER: &str = "106540352242922";
const PAGE: &str = "300000000000001";
/// Customers of each channel, and what each writes.
const CUSTOMERS: usize = 8;
const MESSAGES: usize = 3;

const LEFT_TO_DO: &str = "SELECT (SELECT count(*) FROM jobs)
    + (SELECT count(*) FROM raw_items WHERE outcome = 'pending')";
/// Turns that nobody settled, and messages that neither left nor say why.
const UNSETTLED: &str = "SELECT
    (SELECT count(*) FROM conversations WHERE answered_turn < turn_seq)
    + (SELECT count(*) FROM messages WHERE direction = 'outbound'
       AND (status IN ('queued', 'sending', 'unknown') OR (status = 'failed' AND error IS NULL)))";
const TWICE_ANSWERED: &str = "SELECT count(*) FROM (
    SELECT FROM messages WHERE direction = 'outbound' AND turn IS NOT NULL
    GROUP BY conversation_id, turn HAVING count(*) > 1) AS twice";
const INBOUND: &str = "SELECT count(*) FROM messages WHERE direction = 'inbound'";
const CONVERSATIONS: &str = "SELECT count(*) FROM conversations";

/// One post as its operator makes it.
#[derive(Clone)]
enum Post {
    Meta { url: String, signed: SignedPost },
    Other { path: String, event: Value },
}

fn model_weather(rng: &mut StdRng) -> ModelBehaviour {
    let fault = match rng.random_range(0..10) {
        0 => Some(ModelFault::ServerError),
        1 => Some(ModelFault::RateLimited {
            retry_after_seconds: 1,
        }),
        2 => Some(ModelFault::Drop),
        3 => Some(ModelFault::Overloaded),
        4 => Some(ModelFault::CutStream { after_chunks: 1 }),
        _ => None,
    };
    ModelBehaviour {
        fault,
        first_token_ms: rng.random_range(0..300),
        ..ModelBehaviour::default()
    }
}

fn graph_weather(rng: &mut StdRng) -> GraphBehaviour {
    let reply = match rng.random_range(0..10) {
        0 => GraphReply::Status { status: 500 },
        1 => GraphReply::RateLimited {
            retry_after_seconds: 1,
        },
        2 => GraphReply::AcceptThenDrop,
        3 => GraphReply::Error { code: 131_016 },
        _ => GraphReply::Accept,
    };
    let plans = [
        StatusPlan::default(),
        StatusPlan::duplicated(),
        StatusPlan::reordered(),
    ];
    GraphBehaviour {
        statuses: plans.choose(rng).cloned().unwrap_or_default(),
        delay_ms: rng.random_range(0..100),
        reply,
    }
}

async fn connect(http: &Http, tenant: &str, channel: &Value) -> String {
    let path = format!("/api/tenants/{tenant}/channels");
    id(&http.post(&path, channel).await.expect(201))
}

/// What everybody writes, each message twice, in any order.
fn posts(rng: &mut StdRng, http: &Http, channels: [&str; 3]) -> Vec<Post> {
    let now = domain::Clock::system().now();
    let mut posts = Vec::new();
    for customer in 0..CUSTOMERS {
        for nth in 0..MESSAGES {
            let text = format!("Question {nth} of customer {customer}?");
            let mut message = TextMessage::new(
                Sender::phone(&format!("3361234{customer:04}"), "Ada"),
                &text,
            );
            message.at = now;
            posts.push(Post::Meta {
                url: format!("{}/webhooks/whatsapp/{}", http.base(), channels[0]),
                signed: WhatsappPost::to_number(NUMBER)
                    .text(&message)
                    .sign(APP_SECRET),
            });
            let (person, mid) = (format!("70000{customer:04}"), format!("m_{customer}_{nth}"));
            let post = MessengerPost::of_page(PAGE).text(&person, &mid, &text, now);
            posts.push(Post::Meta {
                url: format!("{}/webhooks/messenger/{}", http.base(), channels[1]),
                signed: post.sign(APP_SECRET),
            });
            posts.push(Post::Other {
                path: format!("/webhooks/http/{}", channels[2]),
                event: json!({
                    "type": "message", "id": format!("in-{customer}-{nth}"), "text": text,
                    "timestamp": now.to_rfc3339(), "contact": {"id": format!("c-{customer}")},
                }),
            });
        }
    }
    let again = posts.clone();
    posts.extend(again);
    posts.shuffle(rng);
    posts
}

async fn deliver(http: &Http, secret: &WebhookSecret, post: Post) {
    match post {
        Post::Meta { url, signed } => {
            let meta = WhatsappClient::new(&url, APP_SECRET).unwrap();
            assert_eq!(meta.post_signed(signed).await.unwrap(), 200);
        }
        Post::Other { path, event } => {
            let stamp = domain::Clock::system().now().timestamp();
            let body = event.to_string();
            let name = event["id"].as_str().unwrap();
            let secrets = std::slice::from_ref(secret);
            let signature = sign_with_all(secrets, name, stamp, body.as_bytes());
            let headers = [
                ("webhook-id", name),
                ("webhook-timestamp", &*stamp.to_string()),
                ("webhook-signature", &*signature),
            ];
            assert_eq!(http.post_as(&path, &headers, body).await.status, 200);
        }
    }
}

#[tokio::test]
async fn process_storms_leave_one_answer_or_a_reason_for_every_message() {
    let mut rng = StdRng::seed_from_u64(2026);
    let stage = Stage::new().await;
    stage
        .model
        .script((0..150).map(|_| model_weather(&mut rng)));
    stage
        .graph
        .script((0..150).map(|_| graph_weather(&mut rng)));
    let system = Receiver::start(0).await.unwrap();
    system.script((0..40).map(|_| match rng.random_range(0..4) {
        0 => ReceiverReply::Status { status: 503 },
        1 => ReceiverReply::Drop,
        _ => ReceiverReply::Ok,
    }));
    let api = stage.api().await;
    let llm = json!({"provider": "openai", "model": "gpt-4o-mini"});
    let tenant = tenant(&api.http, &llm).await;
    let secret = WebhookSecret::generate();
    let text = secrecy::ExposeSecret::expose_secret(&secret.to_text()).to_owned();
    let whatsapp = json!({"type": "whatsapp", "name": "Number", "config": {
        "phone_number_id": NUMBER, "access_token": "EAAG", "app_secret": APP_SECRET,
    }});
    let messenger = json!({"type": "messenger", "name": "Page", "config": {
        "page_id": PAGE, "page_access_token": "EAAG", "app_secret": APP_SECRET,
    }});
    let own = json!({"type": "http", "name": "Own", "config": {
        "send_url": system.url(), "secret": text,
    }});
    let mut ids = Vec::new();
    for channel in [&whatsapp, &messenger, &own] {
        ids.push(connect(&api.http, &tenant, channel).await);
    }
    // Reports of numbers and pages are told apart by their form; each address takes its own.
    stage.graph.send_statuses_to(StatusWebhook {
        url: format!("{}/webhooks/whatsapp/{}", api.http.base(), ids[0]),
        app_secret: APP_SECRET.to_owned(),
    });
    stage.graph.send_pages_statuses_to(StatusWebhook {
        url: format!("{}/webhooks/messenger/{}", api.http.base(), ids[1]),
        app_secret: APP_SECRET.to_owned(),
    });
    let allow = [("METACHAT_OUTBOUND_ALLOW", "127.0.0.0/8")];
    let workers = [
        stage.start_with("worker", &allow),
        stage.start_with("worker", &allow),
    ];
    let all = posts(&mut rng, &api.http, [&ids[0], &ids[1], &ids[2]]);
    let deliveries = all
        .into_iter()
        .map(|post| deliver(&api.http, &secret, post));
    futures::future::join_all(deliveries).await;
    at_rest_at_last(&stage).await;
    for worker in workers {
        worker.drained().await;
    }
    see_all_settled(&stage).await;
    see_order(&stage).await;
}

/// Every message is stored once, and every turn has one answer or a reason.
async fn see_all_settled(stage: &Stage) {
    let customers = i64::try_from(3 * CUSTOMERS).unwrap();
    assert_eq!(stage.count(CONVERSATIONS).await, customers);
    let written = customers * i64::try_from(MESSAGES).unwrap();
    assert_eq!(stage.count(INBOUND).await, written);
    assert_eq!(stage.count(UNSETTLED).await, 0);
    assert_eq!(stage.count(TWICE_ANSWERED).await, 0);
}

/// Waits longer than other tests: what was put off is as patient as it should be.
async fn at_rest_at_last(stage: &Stage) {
    let patience = std::time::Duration::from_secs(50);
    for _ in 0..3 {
        tokio::time::timeout(patience, at_rest(stage)).await.ok();
    }
    at_rest(stage).await;
}

async fn at_rest(stage: &Stage) {
    until("nothing is left to do", || async {
        (stage.count(LEFT_TO_DO).await == 0).then_some(())
    })
    .await;
}

/// Nothing that Meta took was sent twice, and each customer got it in order.
async fn see_order(stage: &Stage) {
    let order: Vec<(String, i64)> =
        sqlx::query_as("SELECT id::text, seq FROM messages WHERE direction = 'outbound'")
            .fetch_all(&stage.pool)
            .await
            .unwrap();
    let seqs: HashMap<String, i64> = order.into_iter().collect();
    let mut last: HashMap<String, i64> = HashMap::new();
    for sent in stage.graph.received() {
        let tag = sent.tag.clone().unwrap_or_default();
        let seq = seqs[tag.trim_start_matches("metachat:")];
        let before = last.insert(sent.to.clone(), seq);
        assert!(
            before.is_none_or(|before| before < seq),
            "{sent:?} after {before:?}"
        );
    }
}

//! Many customers on every channel at once, while Meta, the model and the other system fail at
//! random, processes are killed, web chats are cut off, and everything comes in twice and, where a
//! channel may do so, in any order: every message has one answer or a visible reason, and answers
//! leave in order.

mod kills;
mod posts;
mod visitors;
mod weather;

use std::collections::HashMap;

use futures::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use secrets::WebhookSecret;
use serde_json::{Value, json};
use testkit::standin::{Receiver, StatusWebhook};

use crate::http::Http;
use crate::process::until;
use crate::shop::id;
use crate::stage::Stage;
use crate::visitor::Visitor;
use kills::Doomed;
use posts::Posted;
use visitors::Addresses;

const APP_SECRET: &str = "the-platforms-app-secret";
const NUMBER: &str = "106540352242922";
const PAGE: &str = "300000000000001";
/// Customers of each channel, and what each posts.
const CUSTOMERS: usize = 8;
const MESSAGES: usize = 3;
/// How many posts come at the same time.
const AT_ONCE: usize = 24;
/// How long an answer may take.
const ANSWER_DEADLINE_SECONDS: u64 = 8;

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

async fn connect(http: &Http, tenant: &str, channel: &Value) -> String {
    let path = format!("/api/tenants/{tenant}/channels");
    id(&http.post(&path, channel).await.expect(201))
}

#[tokio::test]
async fn process_storms_leave_one_answer_or_a_reason_for_every_message() {
    let mut rng = StdRng::seed_from_u64(2026);
    let stage = Stage::new().await;
    let weather = (0..150).map(|_| weather::model(&mut rng));
    stage.model.script(weather);
    let weather = (0..150).map(|_| weather::graph(&mut rng));
    stage.graph.script(weather);
    let system = Receiver::start(0).await.unwrap();
    system.script((0..40).map(|_| weather::other_system(&mut rng)));
    let api = stage.patient_api("").await;
    let tenant = tenant(&api.http).await;
    let secret = WebhookSecret::generate();
    let (posted, chat) = connect_all(&api.http, &tenant, &system, &secret).await;
    // Reports of numbers and pages are told apart by their form; each address takes its own.
    stage.graph.send_statuses_to(StatusWebhook {
        url: format!("{}/webhooks/whatsapp/{}", api.http.base(), posted.whatsapp),
        app_secret: APP_SECRET.to_owned(),
    });
    stage.graph.send_pages_statuses_to(StatusWebhook {
        url: format!(
            "{}/webhooks/messenger/{}",
            api.http.base(),
            posted.messenger
        ),
        app_secret: APP_SECRET.to_owned(),
    });
    let mut visitors = visitors::arrive(&api.http, &chat).await;
    let addresses = Addresses::default();
    let mut doomed = Doomed::start(&stage, api.address(), &addresses).await;

    let all = posts::posts(&mut rng, &api.http, &posted);
    let deliveries = futures::stream::iter(all)
        .for_each_concurrent(AT_ONCE, |post| posts::deliver(&api.http, &secret, post));
    tokio::join!(
        deliveries,
        visitors::talk(&mut visitors, &addresses, 2026),
        doomed.die(),
    );
    at_rest_at_last(&stage).await;
    doomed.drained().await;
    see_all_settled(&stage).await;
    see_order(&stage).await;
    see_turns_in_order(&stage);
    for visitor in &mut visitors {
        let settled = Visitor::has_all_settled;
        visitor
            .hear_until("what became of it all", api.address(), settled)
            .await;
        visitor.see_one_answer_each();
        visitor.see_the_same_anew(api.address()).await;
    }
}

/// A tenant that answers at once, and gives up on an answer soon.
async fn tenant(http: &Http) -> String {
    let settings = json!({
        "settle_ms": 0, "answer_deadline_seconds": ANSWER_DEADLINE_SECONDS,
        "llm": {"provider": "openai", "model": "gpt-4o-mini"},
    });
    let body = json!({"name": "Shop", "settings": settings});
    id(&http.post("/api/tenants", &body).await.expect(201))
}

/// The channels that are posted to, and the web chat.
async fn connect_all(
    http: &Http,
    tenant: &str,
    system: &Receiver,
    secret: &WebhookSecret,
) -> (Posted, String) {
    let secret = secrecy::ExposeSecret::expose_secret(&secret.to_text()).to_owned();
    let whatsapp = json!({"type": "whatsapp", "name": "Number", "config": {
        "phone_number_id": NUMBER, "access_token": "EAAG", "app_secret": APP_SECRET,
    }});
    let messenger = json!({"type": "messenger", "name": "Page", "config": {
        "page_id": PAGE, "page_access_token": "EAAG", "app_secret": APP_SECRET,
    }});
    let own = json!({"type": "http", "name": "Own", "config": {
        "send_url": system.url(), "secret": secret,
    }});
    let posted = Posted {
        whatsapp: connect(http, tenant, &whatsapp).await,
        messenger: connect(http, tenant, &messenger).await,
        own: connect(http, tenant, &own).await,
    };
    let chat = json!({"type": "webchat", "name": "Chat"});
    (posted, connect(http, tenant, &chat).await)
}

/// Every message is stored once, and every turn has one answer or a reason.
async fn see_all_settled(stage: &Stage) {
    let conversations = i64::try_from(4 * CUSTOMERS).unwrap();
    assert_eq!(stage.count(CONVERSATIONS).await, conversations);
    let written = CUSTOMERS * (3 * MESSAGES + visitors::WRITTEN);
    assert_eq!(stage.count(INBOUND).await, i64::try_from(written).unwrap());
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

/// Whatever order the posts came in, what is answered together was asked in the order of writing.
fn see_turns_in_order(stage: &Stage) {
    let nth_of = |line: &str| {
        let (nth, rest) = line.strip_prefix("Question ")?.split_once(' ')?;
        rest.starts_with("of customer")
            .then(|| nth.parse::<usize>())?
            .ok()
    };
    let mut together = 0;
    for call in stage.model.received() {
        let spoken = call.body["messages"]
            .as_array()
            .or(call.body["input"].as_array());
        let spoken = spoken.cloned().unwrap_or_default();
        let asked = spoken
            .last()
            .map_or("", |last| last["content"].as_str().unwrap_or_default());
        let asked: Vec<usize> = asked.lines().filter_map(nth_of).collect();
        assert!(asked.is_sorted(), "{spoken:?}");
        together += usize::from(asked.len() > 1);
    }
    assert!(together > 0, "no turn had several messages");
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

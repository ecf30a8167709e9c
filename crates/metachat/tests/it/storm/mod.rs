//! Many customers on every channel at once, while Meta, the model and the other system fail at
//! random, processes are killed, web chats are cut off, and everything comes in twice and, where a
//! channel may do so, in any order: every message has one answer or a visible reason, and answers
//! leave in order.

mod kills;
mod outcome;
mod posts;
mod visitors;
mod weather;

use futures::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use secrets::WebhookSecret;
use serde_json::{Value, json};
use testkit::standin::{Receiver, StatusWebhook};

use crate::http::Http;
use crate::process::until;
use crate::shop::{LEFT_TO_DO, id};
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
    outcome::see_all_settled(&stage).await;
    outcome::see_order(&stage, &system).await;
    outcome::see_turns_in_order(&stage);
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

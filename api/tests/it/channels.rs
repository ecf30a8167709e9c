//! Channels of every type over HTTP: connecting them, what they are found to be, and what their
//! operators post.

use std::time::Duration;

use db::{Db, DbOptions};
use domain::ChannelKind;
use poem::Request;
use poem::http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use secrets::{WebhookSecret, sign_with_all};
use serde_json::{Value, json};
use testkit::standin::{MessengerPost, SignedPost};

use crate::server::{ADMIN_KEY, APP_SECRET, Reply, TestServer, VERIFY_TOKEN};

const PAGE: &str = "300000000000001";
const PERSON: &str = "7000000000000001";

pub(crate) async fn connect(server: &TestServer, tenant: &str, channel: Value) -> Reply {
    let path = format!("{tenant}/channels");
    server.post(ADMIN_KEY, &path, channel).await
}

fn page(config: &Value) -> Value {
    let mut all = json!({"page_id": PAGE, "page_access_token": "EAAG-token"});
    let fields = all.as_object_mut().unwrap();
    fields.extend(config.as_object().unwrap().clone());
    json!({"type": "messenger", "name": "Page", "config": all})
}

async fn post(server: &TestServer, path: &str, post: &SignedPost) -> Reply {
    let request = Request::builder()
        .method(Method::POST)
        .uri_str(path)
        .header("x-hub-signature-256", &post.signature)
        .body(post.body.to_vec());
    server.send(request).await
}

fn written() -> MessengerPost {
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    MessengerPost::of_page(PAGE).text(PERSON, "m_1", "Do you sell tea?", now)
}

async fn outcomes(server: &TestServer) -> Vec<(String, String)> {
    sqlx::query_as("SELECT channel_kind, outcome FROM raw_items ORDER BY id")
        .fetch_all(server.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn every_type_of_channel_says_what_it_can_do_and_what_it_needs() {
    let server = TestServer::start().await;
    let (_, key) = server.tenant("Shop").await;
    let types = server.get(&key, "/api/channel-types").await.expect(200);
    let types = types["data"].as_array().unwrap();
    let names: Vec<&str> = types
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    let known: Vec<&str> = ChannelKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names, known);
    let whatsapp = &types[0];
    assert_eq!(whatsapp["capabilities"]["max_text_units"], 4096);
    assert_eq!(whatsapp["capabilities"]["reply_window_hours"], 24);
    let schema = &whatsapp["config_schema"];
    assert_eq!(schema["properties"]["access_token"]["writeOnly"], true);
    server.get("", "/api/channel-types").await.problem(401);
}

#[tokio::test]
async fn a_page_is_connected_once_and_its_secrets_never_come_back() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let (other, _) = server.tenant("Bank").await;
    let made = connect(&server, &tenant, page(&json!({}))).await;
    let body = made.expect(201);
    assert_eq!(body["secrets"], json!({"page_access_token": true}));
    assert_eq!(body["health"], "unknown");
    assert!(!made.text.contains("EAAG-token"));
    let again = connect(&server, &other, page(&json!({}))).await;
    assert_eq!(again.problem(409), "channel_already_connected");
    let wrong = json!({"type": "messenger", "name": "Page", "config": {"page_id": "the-page"}});
    connect(&server, &other, wrong).await.problem(422);
}

#[tokio::test]
async fn a_pages_posts_are_believed_by_the_platforms_secret_or_by_its_own() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let own = json!({"app_secret": "the-pages-own-app-secret", "verify_token": "the-pages-own"});
    let channel = connect(&server, &tenant, page(&own)).await.expect(201);
    let address = format!("/webhooks/messenger/{}", channel["id"].as_str().unwrap());
    for (path, secret, status) in [
        ("/webhooks/messenger", APP_SECRET, 200),
        ("/webhooks/messenger", "the-pages-own-app-secret", 200),
        (&address, "the-pages-own-app-secret", 200),
        (&address, APP_SECRET, 401),
        ("/webhooks/messenger", "a-secret-of-nobody", 401),
        // Another kind's address knows no such page.
        ("/webhooks/whatsapp", "the-pages-own-app-secret", 401),
    ] {
        let reply = post(&server, path, &written().sign(secret)).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{path} {secret}: {}",
            reply.text
        );
    }
    let pending = ("messenger".to_owned(), "pending".to_owned());
    assert_eq!(outcomes(&server).await, vec![pending; 3]);
    for (path, token, status) in [
        ("/webhooks/messenger", VERIFY_TOKEN, 200),
        ("/webhooks/messenger", "the-pages-own", 200),
        (&address, "the-pages-own", 200),
        (&address, VERIFY_TOKEN, 403),
        ("/webhooks/whatsapp", "the-pages-own", 403),
    ] {
        let query = format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=115");
        let reply = server.get("", &format!("{path}?{query}")).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{path} {token}: {}",
            reply.text
        );
    }
}

#[tokio::test]
async fn a_changed_secret_counts_from_the_next_post_on() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let own = json!({"app_secret": "the-first-secret"});
    let channel = connect(&server, &tenant, page(&own)).await.expect(201);
    let id = channel["id"].as_str().unwrap();
    let addresses = [
        "/webhooks/messenger".to_owned(),
        format!("/webhooks/messenger/{id}"),
    ];
    let all = async |secret: &str, status: u16| {
        for path in &addresses {
            let reply = post(&server, path, &written().sign(secret)).await;
            assert_eq!(
                reply.status.as_u16(),
                status,
                "{path} {secret}: {}",
                reply.text
            );
        }
    };
    all("the-first-secret", 200).await;
    let change = json!({"config": {"app_secret": "the-second-secret"}});
    let path = format!("{tenant}/channels/{id}");
    server.put(ADMIN_KEY, &path, change).await.expect(200);
    all("the-first-secret", 401).await;
    all("the-second-secret", 200).await;
    // Somebody else takes the channel away, in another process.
    let elsewhere = Db::connect_lazy(&DbOptions::new(server.database.url())).unwrap();
    let tenant_id = tenant.rsplit('/').next().unwrap().parse().unwrap();
    let mut tx = elsewhere.tenant(tenant_id).await.unwrap();
    let deleted = store::channels::delete(&mut tx, id.parse().unwrap()).await;
    assert!(deleted.unwrap());
    tx.commit().await.unwrap();
    let gone = async {
        while post(&server, &addresses[1], &written().sign("the-second-secret"))
            .await
            .status
            != StatusCode::NOT_FOUND
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Far sooner than it would be forgotten by itself.
    tokio::time::timeout(Duration::from_secs(15), gone)
        .await
        .unwrap();
    let reply = post(&server, &addresses[0], &written().sign("the-second-secret")).await;
    assert_eq!(reply.problem(401), "signature_mismatch");
}

#[tokio::test]
async fn a_number_is_limited_as_its_channel_says_unless_an_operator_knows_better() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let config = json!({
        "phone_number_id": "200000000000001", "access_token": "EAAG-token",
    });
    let channel = json!({"type": "whatsapp", "name": "Number", "config": &config});
    let channel = connect(&server, &tenant, channel).await.expect(201);
    let path = format!("{tenant}/channels/{}", channel["id"].as_str().unwrap());
    let key = "wa-number:200000000000001";
    sqlx::query(
        "INSERT INTO job_limits (key, rate_per_second, burst, tokens) VALUES ($1, 80, 80, 80)",
    )
    .bind(key)
    .execute(server.database.pool())
    .await
    .unwrap();
    let rate = async || -> (f64, i32) {
        sqlx::query_as("SELECT rate_per_second, burst FROM job_limits WHERE key = $1")
            .bind(key)
            .fetch_one(server.database.pool())
            .await
            .unwrap()
    };
    for (set, expected) in [(json!(20), 20), (json!(1000), 1000), (Value::Null, 80)] {
        let change = json!({"config": {"messages_per_second": set}});
        server.put(ADMIN_KEY, &path, change).await.expect(200);
        let (rate, burst) = rate().await;
        assert!((rate - f64::from(expected)).abs() < 0.001, "{set}: {rate}");
        assert_eq!(burst, expected, "{set}");
    }
    sqlx::query("UPDATE job_limits SET rate_per_second = 5, burst = 5")
        .execute(server.database.pool())
        .await
        .unwrap();
    server
        .put(ADMIN_KEY, &path, json!({"name": "Other"}))
        .await
        .expect(200);
    assert_eq!(rate().await.1, 5);
    let wrong = json!({"config": {"messages_per_second": 0}});
    server.put(ADMIN_KEY, &path, wrong).await.problem(422);
    // The number is given up and connected anew: the old channel's limit is not the new one's.
    server.delete(ADMIN_KEY, &path).await.expect(204);
    let mut config = config.clone();
    config["messages_per_second"] = json!(40);
    let channel = json!({"type": "whatsapp", "name": "Number", "config": config});
    connect(&server, &tenant, channel).await.expect(201);
    assert_eq!(rate().await.1, 40);
}

#[tokio::test]
async fn two_pages_in_one_post_go_to_two_tenants_and_rubbish_harms_neither() {
    let server = TestServer::start().await;
    let (shop, _) = server.tenant("Shop").await;
    let (bank, _) = server.tenant("Bank").await;
    connect(&server, &shop, page(&json!({}))).await.expect(201);
    connect(&server, &bank, page(&json!({"page_id": "300000000000002"})))
        .await
        .expect(201);
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let both = written()
        .entry("300000000000002")
        .text(PERSON, "m_2", "And credit?", now)
        .from_person(PERSON, now, "hologram", &json!({"x": 1}))
        .entry("399999999999999")
        .text(PERSON, "m_3", "Hello?", now);
    post(&server, "/webhooks/messenger", &both.sign(APP_SECRET))
        .await
        .expect(200);
    let found: Vec<String> = outcomes(&server).await.into_iter().map(|it| it.1).collect();
    assert_eq!(found, ["pending", "pending", "ignored", "unroutable"]);
    let owners: i64 = sqlx::query_scalar("SELECT count(DISTINCT tenant_id) FROM raw_items")
        .fetch_one(server.database.pool())
        .await
        .unwrap();
    assert_eq!(owners, 2);
    for rubbish in [
        &b"\xff\xfe{"[..],
        b"[]",
        b"{\"object\":\"page\",\"entry\":7}",
    ] {
        let signed = SignedPost::new(APP_SECRET, rubbish.to_vec());
        post(&server, "/webhooks/messenger", &signed)
            .await
            .expect(200);
    }
    let of_instagram =
        SignedPost::new(APP_SECRET, r#"{"object":"instagram","entry":[{"id":"1"}]}"#);
    post(&server, "/webhooks/messenger", &of_instagram)
        .await
        .expect(200);
}

#[tokio::test]
async fn the_generic_channel_takes_what_its_secret_signed_lately() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let secret = WebhookSecret::generate();
    let config = json!({
        "send_url": "https://hooks.example.com/in", "secret": secret.to_text().expose_secret(),
    });
    let channel = json!({"type": "http", "name": "Own", "config": config});
    let channel = connect(&server, &tenant, channel).await.expect(201);
    assert_eq!(channel["secrets"], json!({"secret": true}));
    let path = format!("/webhooks/http/{}", channel["id"].as_str().unwrap());
    let event = json!({
        "type": "message", "id": "in-1", "timestamp": "2026-11-23T12:00:00Z",
        "contact": {"id": "c-1"}, "text": "Do you sell tea?",
    });
    let now = server.clock.now().timestamp();
    let send = async |by: &WebhookSecret, at: i64, path: &str| {
        let body = event.to_string();
        let signature = sign_with_all(std::slice::from_ref(by), "msg_1", at, body.as_bytes());
        let request = Request::builder()
            .method(Method::POST)
            .uri_str(path)
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature)
            .body(body);
        server.send(request).await
    };
    send(&secret, now, &path).await.expect(200);
    send(&WebhookSecret::generate(), now, &path)
        .await
        .problem(401);
    send(&secret, now - 3600, &path).await.problem(401);
    let unknown = "/webhooks/http/0198c000-0000-7000-8000-000000000000";
    send(&secret, now, unknown).await.problem(404);
    // There is no address that all of them share, and nothing to confirm.
    send(&secret, now, "/webhooks/http").await.problem(404);
    server
        .get("", &format!("{path}?hub.mode=subscribe"))
        .await
        .problem(405);
    assert_eq!(
        outcomes(&server).await,
        [("http".to_owned(), "pending".to_owned())]
    );
}

#[tokio::test]
async fn a_test_of_the_connection_says_what_it_found_and_is_kept() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let chat = json!({"type": "webchat", "name": "Chat"});
    let chat = connect(&server, &tenant, chat).await.expect(201);
    let made = connect(&server, &tenant, page(&json!({})))
        .await
        .expect(201);
    let test = async |channel: &Value, key: &str| {
        let id = channel["id"].as_str().unwrap();
        server
            .post(key, &format!("{tenant}/channels/{id}/test"), Value::Null)
            .await
    };
    let nothing = test(&chat, &key).await.expect(200);
    assert_eq!(nothing, json!({"health": "working", "findings": []}));
    // Nobody answers at the Graph API's address.
    let found = test(&made, &key).await.expect(200);
    assert_eq!(found["health"], "unknown");
    assert_eq!(found["findings"][0]["check"], "credentials");
    let id = made["id"].as_str().unwrap();
    let shown = server
        .get(&key, &format!("{tenant}/channels/{id}"))
        .await
        .expect(200);
    assert!(shown["checked_at"].is_string(), "{shown}");
    let (_, other) = server.tenant("Bank").await;
    test(&made, &other).await.problem(404);
}

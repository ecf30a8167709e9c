//! The question by which an operator confirms our address: anybody may ask it, and it costs nothing.

use poem::Request;
use poem::http::Method;
use serde_json::{Value, json};
use testkit::standin::MessengerPost;

use crate::channels::connect;
use crate::server::{ADMIN_KEY, TestServer};

fn page(id: &str, secrets: &Value) -> Value {
    let mut config = json!({"page_id": id, "page_access_token": "EAAG-token"});
    let fields = config.as_object_mut().unwrap();
    fields.extend(secrets.as_object().unwrap().clone());
    json!({"type": "messenger", "name": "Page", "config": config})
}

async fn asked(server: &TestServer, token: &str) -> u16 {
    let query = format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=115");
    let reply = server
        .get("", &format!("/webhooks/messenger?{query}"))
        .await;
    reply.status.as_u16()
}

async fn count(server: &TestServer, what: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM {what}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
        .fetch_one(server.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_shared_address_is_confirmed_without_a_secret_being_opened() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    for nth in 1..=3 {
        let token = json!({"verify_token": format!("token-{nth}")});
        let page = page(&format!("30000000000000{nth}"), &token);
        connect(&server, &tenant, page).await.expect(201);
    }
    connect(&server, &tenant, page("300000000000009", &json!({})))
        .await
        .expect(201);
    assert_eq!(asked(&server, "token-2").await, 200);
    let unhashed = "channels WHERE verify_token_hash IS NULL";
    assert_eq!(count(&server, unhashed).await, 0);
    // Nobody could open one from here on.
    sqlx::query("UPDATE channels SET sealed_secrets = 'broken'")
        .execute(server.database.pool())
        .await
        .unwrap();
    assert_eq!(asked(&server, "token-1").await, 200);
    for token in ["token-4", "token", ""] {
        assert_eq!(asked(&server, token).await, 403, "{token}");
    }
    // The hashes say nothing to whoever reads the table.
    let told = "channels WHERE encode(verify_token_hash, 'escape') LIKE '%token%'";
    assert_eq!(count(&server, told).await, 0);
}

#[tokio::test]
async fn one_channel_that_cannot_be_opened_shuts_the_door_on_no_other() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let token = |nth: &str| json!({"verify_token": format!("token-{nth}")});
    connect(&server, &tenant, page("300000000000001", &token("1")))
        .await
        .expect(201);
    sqlx::query("UPDATE channels SET sealed_secrets = 'broken'")
        .execute(server.database.pool())
        .await
        .unwrap();
    connect(&server, &tenant, page("300000000000002", &token("2")))
        .await
        .expect(201);
    assert_eq!(asked(&server, "token-1").await, 403);
    assert_eq!(asked(&server, "token-2").await, 200);
}

#[tokio::test]
async fn a_changed_token_counts_from_the_next_question_on() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let first = page("300000000000001", &json!({"verify_token": "first"}));
    let channel = connect(&server, &tenant, first).await.expect(201);
    let path = format!("{tenant}/channels/{}", channel["id"].as_str().unwrap());
    assert_eq!(asked(&server, "first").await, 200);
    assert_eq!(asked(&server, "second").await, 403);
    let change = |token: Value| json!({"config": {"verify_token": token}});
    server
        .put(ADMIN_KEY, &path, change(json!("second")))
        .await
        .expect(200);
    // That it was nobody's a moment ago is forgotten.
    assert_eq!(asked(&server, "second").await, 200);
    assert_eq!(asked(&server, "first").await, 403);
    server
        .put(ADMIN_KEY, &path, change(Value::Null))
        .await
        .expect(200);
    assert_eq!(asked(&server, "second").await, 403);
}

#[tokio::test]
async fn a_page_that_nobody_had_a_moment_ago_is_heard_once_it_is_connected() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let post = async || {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let written = MessengerPost::of_page("300000000000001").text("7", "m_1", "Hello?", now);
        let signed = written.sign("the-pages-own-app-secret");
        let request = Request::builder()
            .method(Method::POST)
            .uri_str("/webhooks/messenger")
            .header("x-hub-signature-256", &signed.signature)
            .body(signed.body.to_vec());
        server.send(request).await.status.as_u16()
    };
    for _ in 0..2 {
        assert_eq!(post().await, 401);
    }
    let own = json!({"app_secret": "the-pages-own-app-secret"});
    connect(&server, &tenant, page("300000000000001", &own))
        .await
        .expect(201);
    assert_eq!(post().await, 200);
}

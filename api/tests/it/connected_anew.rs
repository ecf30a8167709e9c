//! Numbers and pages that were connected before: what held the old channel back is not the new one's.

use serde_json::{Value, json};

use crate::channels::connect;
use crate::server::{ADMIN_KEY, TestServer};

fn number(id: &str) -> Value {
    let config = json!({"phone_number_id": id, "access_token": "EAAG-token"});
    json!({"type": "whatsapp", "name": "Number", "config": config})
}

async fn stop(server: &TestServer, key: &str) {
    sqlx::query("INSERT INTO job_limits (key, paused_until) VALUES ($1, 'infinity')")
        .bind(key)
        .execute(server.database.pool())
        .await
        .unwrap();
}

async fn is_stopped(server: &TestServer, key: &str) -> bool {
    sqlx::query_scalar("SELECT paused_until IS NOT NULL FROM job_limits WHERE key = $1")
        .bind(key)
        .fetch_one(server.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_number_that_another_tenant_connects_is_not_stopped_for_what_was_before() {
    let server = TestServer::start().await;
    let (shop, _) = server.tenant("Shop").await;
    let (bank, _) = server.tenant("Bank").await;
    let key = "wa-number:200000000000001";
    let old = connect(&server, &shop, number("200000000000001")).await;
    let old = old.expect(201);
    let path = format!("{shop}/channels/{}", old["id"].as_str().unwrap());
    stop(&server, key).await;
    // What does not concern the number lifts nothing.
    let change = json!({"name": "Other", "config": {"messages_per_second": 20}});
    server.put(ADMIN_KEY, &path, change).await.expect(200);
    assert!(is_stopped(&server, key).await);
    server.delete(ADMIN_KEY, &path).await.expect(204);
    assert!(is_stopped(&server, key).await);
    connect(&server, &bank, number("200000000000001"))
        .await
        .expect(201);
    assert!(!is_stopped(&server, key).await);
}

#[tokio::test]
async fn a_channel_that_gets_another_number_is_not_stopped_for_what_was_before() {
    let server = TestServer::start().await;
    let (shop, _) = server.tenant("Shop").await;
    let channel = connect(&server, &shop, number("200000000000001")).await;
    let channel = channel.expect(201);
    let path = format!("{shop}/channels/{}", channel["id"].as_str().unwrap());
    let other = "wa-number:200000000000002";
    stop(&server, other).await;
    let change = json!({"config": {"phone_number_id": "200000000000002"}});
    server.put(ADMIN_KEY, &path, change).await.expect(200);
    assert!(!is_stopped(&server, other).await);
}

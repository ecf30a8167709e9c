use poem::http::Method;
use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, Reply, TestServer};

async fn create(server: &TestServer, key: &str, name: &str) -> Reply {
    let headers = [("idempotency-key", key)];
    let body = json!({"name": name});
    server
        .call_with(ADMIN_KEY, Method::POST, "/api/tenants", body, &headers)
        .await
}

#[tokio::test]
async fn the_same_write_is_done_once() {
    let server = TestServer::start().await;
    let first = create(&server, "k1", "Shop").await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = create(&server, "k1", "Shop").await;
    assert_eq!(again.expect(201), first.expect(201));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(
        create(&server, "k1", "Other").await.problem(422),
        "idempotency_key_reused"
    );
    create(&server, "k2", "Shop").await.expect(201);
    let tenants = server.get(ADMIN_KEY, "/api/tenants").await.expect(200);
    assert_eq!(tenants["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_failed_may_be_sent_again() {
    let server = TestServer::start().await;
    assert_eq!(
        create(&server, "k1", "").await.problem(422),
        "invalid_request"
    );
    create(&server, "k1", "Shop").await.expect(201);
}

#[tokio::test]
async fn keys_of_two_callers_do_not_meet() {
    let server = TestServer::start().await;
    let (one, one_key) = server.tenant("One").await;
    let headers = [("idempotency-key", "same")];
    let path = format!("{one}/api-keys");
    let a = server
        .call_with(&one_key, Method::POST, &path, json!({}), &headers)
        .await
        .expect(201);
    let b = server
        .call_with(ADMIN_KEY, Method::POST, &path, json!({}), &headers)
        .await
        .expect(201);
    assert_ne!(a["id"], b["id"]);
}

#[tokio::test]
async fn a_kept_secret_is_sealed() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let headers = [("idempotency-key", "k")];
    let path = format!("{tenant}/api-keys");
    let first = server
        .call_with(&key, Method::POST, &path, json!({}), &headers)
        .await
        .expect(201);
    let again = server
        .call_with(&key, Method::POST, &path, json!({}), &headers)
        .await
        .expect(201);
    assert_eq!(first["key"], again["key"]);
    let kept: Vec<u8> = sqlx::query_scalar("SELECT response_body FROM idempotency_keys")
        .fetch_one(server.database.pool())
        .await
        .unwrap();
    let shown = first["key"].as_str().unwrap().as_bytes();
    assert!(!kept.windows(shown.len()).any(|part| part == shown));
}

#[tokio::test]
async fn a_write_in_flight_is_not_begun_again() {
    let server = TestServer::start().await;
    create(&server, "k1", "Shop").await.expect(201);
    sqlx::query("UPDATE idempotency_keys SET response_status = NULL, response_body = NULL")
        .execute(server.database.pool())
        .await
        .unwrap();
    assert_eq!(
        create(&server, "k1", "Shop").await.problem(409),
        "idempotency_key_in_flight"
    );
    server.clock.advance(chrono::TimeDelta::minutes(11));
    create(&server, "k1", "Shop").await.expect(201);
}

#[tokio::test]
async fn a_key_has_bounds_and_means_nothing_to_a_read() {
    let server = TestServer::start().await;
    let long = "k".repeat(256);
    assert_eq!(
        create(&server, &long, "Shop").await.problem(422),
        "invalid_request"
    );
    let headers = [("idempotency-key", "k")];
    for _ in 0..2 {
        let read = server
            .call_with(
                ADMIN_KEY,
                Method::GET,
                "/api/tenants",
                Value::Null,
                &headers,
            )
            .await;
        read.expect(200);
        assert_eq!(read.header("idempotent-replayed"), "");
    }
}

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::server::{ADMIN_KEY, TestServer};

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let listed = server.get(&key, &format!("{tenant}/api-keys")).await;
    assert!(!listed.text.contains(&key));
    let listed = listed.expect(200);
    assert_eq!(listed["data"][0]["prefix"], key[..12]);
    assert_eq!(
        listed["data"][0]["last_used_at"],
        "2026-11-23T12:00:00+00:00"
    );
    let hash: Vec<u8> = sqlx::query_scalar("SELECT key_hash FROM api_keys")
        .fetch_one(server.database.pool())
        .await
        .unwrap();
    assert_eq!(hash, secrets::sha256(key.as_bytes()));
}

#[tokio::test]
async fn a_revoked_key_stops_working() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let keys = format!("{tenant}/api-keys");
    let other = server
        .post(&key, &keys, json!({"name": "Other"}))
        .await
        .expect(201);
    let other_key = other["key"].as_str().unwrap();
    server.get(other_key, &tenant).await.expect(200);
    let one = format!("{keys}/{}", other["id"].as_str().unwrap());
    server.delete(&key, &one).await.expect(204);
    assert_eq!(
        server.get(other_key, &tenant).await.problem(401),
        "unauthorized"
    );
    server.get(&key, &tenant).await.expect(200);
}

#[tokio::test]
async fn a_key_revoked_elsewhere_stops_within_ten_seconds() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    server.get(&key, &tenant).await.expect(200);
    sqlx::query("UPDATE api_keys SET revoked_at = now()")
        .execute(server.database.pool())
        .await
        .unwrap();
    server.get(&key, &tenant).await.expect(200);
    server.clock.advance(TimeDelta::seconds(10));
    assert_eq!(server.get(&key, &tenant).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn a_key_ends_when_it_was_said_to() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let keys = format!("{tenant}/api-keys");
    let past = json!({"expires_at": "2026-11-23T11:59:59Z"});
    assert_eq!(
        server.post(&key, &keys, past).await.problem(422),
        "invalid_request"
    );
    let soon = json!({"expires_at": "2026-11-23T12:00:05Z"});
    let short = server.post(&key, &keys, soon).await.expect(201);
    let short = short["key"].as_str().unwrap();
    server.get(short, &tenant).await.expect(200);
    server.clock.advance(TimeDelta::seconds(5));
    assert_eq!(
        server.get(short, &tenant).await.problem(401),
        "unauthorized"
    );
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let server = TestServer::start().await;
    let unknown = secrets::ApiKey::generate();
    let unknown = secrecy::ExposeSecret::expose_secret(unknown.secret()).to_owned();
    for key in ["", "mck_", "nonsense", "the-operators-own-kez", &unknown] {
        let refused = server.get(key, "/api/tenants").await;
        assert_eq!(refused.problem(401), "unauthorized", "{key}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn a_stored_operators_key_works_for_every_tenant() {
    let server = TestServer::start().await;
    let (tenant, _) = server.tenant("Shop").await;
    let key = secrets::ApiKey::generate();
    let mut tx = server.state.db.system().await.unwrap();
    let new = store::api_keys::NewApiKey {
        id: domain::ApiKeyId::new(),
        name: "Operator",
        prefix: key.prefix(),
        hash: &key.hash(),
        expires_at: None,
    };
    store::api_keys::insert_operator(&mut tx, &new)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let text = secrecy::ExposeSecret::expose_secret(key.secret()).to_owned();
    server.get(&text, &tenant).await.expect(200);
    server.get(&text, "/api/tenants").await.expect(200);
}

#[tokio::test]
async fn each_key_has_its_own_limit_and_is_told_of_it() {
    let server = TestServer::with_burst(3).await;
    let (tenant, key) = server.tenant("Shop").await;
    for left in ["2", "1", "0"] {
        let answer = server.get(&key, &tenant).await;
        answer.expect(200);
        assert_eq!(answer.header("x-ratelimit-remaining"), left);
        assert_eq!(answer.header("x-ratelimit-limit"), "3");
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=3;w=3");
        assert!(
            answer
                .header("ratelimit")
                .starts_with(&format!("\"default\";r={left};t="))
        );
    }
    let refused = server.get(&key, &tenant).await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    let other = server
        .call(ADMIN_KEY, poem::http::Method::GET, &tenant, Value::Null)
        .await;
    other.expect(200);
}

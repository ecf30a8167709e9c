//! Who would answer, and how they do.

use llm::PlatformProviders;
use serde_json::{Value, json};
use testkit::standin::{OpenAiOptions, OpenAiServer};

use crate::server::{ADMIN_KEY, TestServer};

/// A platform whose OpenAI takes one key only, and has none of its own.
async fn server() -> (OpenAiServer, TestServer) {
    let openai = OpenAiServer::start(OpenAiOptions {
        api_key: Some("sk-right".to_owned()),
        ..OpenAiOptions::default()
    })
    .await
    .unwrap();
    let platform = PlatformProviders {
        openai_base_url: Some(openai.base_url().parse().unwrap()),
        ..PlatformProviders::default()
    };
    let server = TestServer::with_platform(platform).await;
    (openai, server)
}

async fn set(server: &TestServer, key: &str, tenant: &str, llm: Value) {
    let change = json!({"settings": {"llm": llm}});
    server.put(key, tenant, change).await.expect(200);
}

async fn list(server: &TestServer, key: &str, tenant: &str) -> Value {
    let path = format!("{tenant}/providers");
    server.get(key, &path).await.expect(200)["data"].clone()
}

async fn check(server: &TestServer, key: &str, tenant: &str) -> Value {
    let path = format!("{tenant}/providers/check");
    let checked = server.post(key, &path, Value::Null).await;
    checked.expect(200)["data"].clone()
}

/// What the tenant's one channel says of the model, in the list and by itself.
async fn model_error(server: &TestServer, key: &str, tenant: &str) -> Value {
    let path = format!("{tenant}/channels");
    let listed = server.get(key, &path).await.expect(200)["data"][0].clone();
    let path = format!("{path}/{}", listed["id"].as_str().unwrap());
    let alone = server.get(key, &path).await.expect(200).clone();
    assert_eq!(alone["model_error"], listed["model_error"]);
    alone["model_error"].clone()
}

#[tokio::test]
async fn a_refused_key_is_seen_until_it_is_changed() {
    let (openai, server) = server().await;
    let (tenant, key) = server.tenant("Shop").await;
    let llm = json!({"provider": "openai", "model": "gpt-4o-mini",
                     "api_keys": {"openai": "sk-wrong"}, "fallbacks": [{"provider": "builtin"}]});
    set(&server, &key, &tenant, llm).await;
    let channel = json!({"type": "webchat", "name": "Chat"});
    let channels = format!("{tenant}/channels");
    server.post(&key, &channels, channel).await.expect(201);
    assert_eq!(model_error(&server, &key, &tenant).await, Value::Null);
    let before = list(&server, &key, &tenant).await;
    assert_eq!(before[0]["health"], "unknown");
    assert_eq!(before[0]["model"], "gpt-4o-mini");
    assert_eq!(
        (&before[0]["key"], &before[1]["key"]),
        (&json!("tenant"), &json!("platform"))
    );
    assert_eq!(before[1]["account"], "builtin");

    let checked = check(&server, &key, &tenant).await;
    assert_eq!(
        (&checked[0]["ok"], &checked[1]["ok"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(checked[0]["error"], "key_refused");
    assert_eq!(checked[0]["detail"], "openai refuses the key");
    assert!(!checked.to_string().contains("sk-wrong"));
    let seen = list(&server, &key, &tenant).await;
    assert_eq!(seen[0]["health"], "down");
    assert_eq!(seen[0]["last_error"], "key_refused");
    assert_eq!(seen[0]["since"], "2026-11-23T12:00:00+00:00");
    assert_eq!(seen[0], checked[0]["provider"]);
    assert_eq!(model_error(&server, &key, &tenant).await, "key_refused");

    let mended = json!({"api_keys": {"openai": "sk-right"}});
    set(&server, &key, &tenant, mended).await;
    assert_eq!(list(&server, &key, &tenant).await[0]["health"], "unknown");
    let checked = check(&server, &key, &tenant).await;
    assert_eq!(
        (&checked[0]["ok"], &checked[0]["model_listed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(list(&server, &key, &tenant).await[0]["health"], "healthy");
    assert_eq!(model_error(&server, &key, &tenant).await, Value::Null);
    // A change of anything else leaves what is known.
    let other = json!({"settings": {"settle_ms": 1}});
    server.put(&key, &tenant, other).await.expect(200);
    assert_eq!(list(&server, &key, &tenant).await[0]["health"], "healthy");
    let asked: Vec<_> = openai
        .received()
        .into_iter()
        .map(|call| call.path)
        .collect();
    assert_eq!(asked, ["/v1/models", "/v1/models"]);
}

#[tokio::test]
async fn settings_that_lead_nowhere_are_told() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let llm = json!({"provider": "nobody", "fallbacks": [{"provider": "openai"}]});
    set(&server, &key, &tenant, llm).await;
    for state in [
        list(&server, &key, &tenant).await,
        check(&server, &key, &tenant)
            .await
            .as_array()
            .unwrap()
            .iter()
            .map(|checked| checked["provider"].clone())
            .collect(),
    ] {
        for provider in state.as_array().unwrap() {
            assert_eq!(provider["health"], "down", "{provider}");
            assert_eq!(provider["last_error"], "misconfigured");
        }
        assert_eq!(state[0]["detail"], "no such provider is known");
        assert_eq!(state[1]["detail"], "it needs an API key, and none is set");
    }
    let channel = json!({"type": "webchat", "name": "Chat"});
    let channels = format!("{tenant}/channels");
    let channel = server.post(&key, &channels, channel).await;
    assert_eq!(channel.expect(201)["model_error"], "misconfigured");
}

#[tokio::test]
async fn what_makes_vectors_is_listed_beside_who_answers() {
    let server = TestServer::start().await;
    let (tenant, key) = server.tenant("Shop").await;
    let path = format!("{tenant}/providers");
    let embedding = async || server.get(&key, &path).await.expect(200)["embedding"].clone();
    let own = embedding().await;
    assert_eq!(
        (&own["provider"], &own["health"]),
        (&json!("builtin"), &json!("unknown"))
    );
    let change = json!({"settings": {"embedding": {"provider": "openai"}}});
    server.put(&key, &tenant, change).await.expect(200);
    let keyless = embedding().await;
    assert_eq!(
        (&keyless["account"], &keyless["health"]),
        (&json!("openai"), &json!("down"))
    );
    assert_eq!(keyless["last_error"], "misconfigured");
    assert_eq!(keyless["detail"], "it needs an API key, and none is set");
}

#[tokio::test]
async fn checks_are_held_to_six_a_minute() {
    let (_openai, server) = server().await;
    let (tenant, key) = server.tenant("Shop").await;
    let (other, _) = server.tenant("Other").await;
    for _ in 0..6 {
        check(&server, &key, &tenant).await;
    }
    let path = format!("{tenant}/providers/check");
    let refused = server.post(&key, &path, Value::Null).await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(!refused.header("retry-after").is_empty());
    check(&server, ADMIN_KEY, &other).await;
}

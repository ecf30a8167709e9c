//! A tenant's keys go to the address that they were given for, whoever changes settings later.

use serde_json::{Value, json};
use testkit::standin::{OpenAiOptions, OpenAiServer, Receiver};

use crate::search::{add_ready, live_by_settings};
use crate::server::TestServer;

/// An address that takes note of what it gets.
async fn listener() -> Receiver {
    Receiver::start(0).await.unwrap()
}

/// The keys that came to an address, oldest first.
fn keys_at(receiver: &Receiver) -> Vec<Option<String>> {
    let posts = receiver.received().into_iter();
    let key = |name: Option<&str>| name.map(|shown| shown.replace("Bearer ", ""));
    posts
        .map(|post| key(post.header("authorization").or(post.header("x-api-key"))))
        .collect()
}

async fn change(server: &TestServer, key: &str, tenant: &str, settings: Value) -> Value {
    let change = json!({"settings": settings});
    server.put(key, tenant, change).await.expect(200)["settings"].clone()
}

#[tokio::test]
async fn the_models_key_does_not_follow_to_another_address_or_provider() {
    let server = TestServer::of_this_machine().await;
    let (tenant, key) = server.tenant("Shop").await;
    let (own, foreign) = (listener().await, listener().await);
    let check = async || {
        let path = format!("{tenant}/providers/check");
        server.post(&key, &path, Value::Null).await.expect(200)
    };
    let given = json!({"llm": {"provider": "openai", "base_url": own.url(), "api_key": "sk-own"}});
    let set = change(&server, &key, &tenant, given).await;
    assert_eq!(set["llm"]["api_key_set"], true);
    check().await;
    assert_eq!(keys_at(&own), [Some("sk-own".to_owned())]);

    // What does not change who gets it leaves it.
    let same = json!({"llm": {"model": "m", "base_url": format!("{}/v1", own.url())}});
    assert_eq!(
        change(&server, &key, &tenant, same).await["llm"]["api_key_set"],
        true
    );

    let elsewhere = json!({"llm": {"base_url": foreign.url()}});
    let told = change(&server, &key, &tenant, elsewhere).await;
    assert_eq!(told["llm"]["api_key_set"], false);
    check().await;
    assert_eq!(keys_at(&foreign), [None]);
    // Nor is it there again once the old address is.
    let back = json!({"llm": {"base_url": own.url()}});
    assert_eq!(
        change(&server, &key, &tenant, back).await["llm"]["api_key_set"],
        false
    );

    // A key that comes with its address stays, and does not change hands either.
    let given = json!({"llm": {"base_url": foreign.url(), "api_key": "sk-new"}});
    assert_eq!(
        change(&server, &key, &tenant, given).await["llm"]["api_key_set"],
        true
    );
    check().await;
    assert_eq!(keys_at(&foreign), [None, Some("sk-new".to_owned())]);
    let other = json!({"llm": {"provider": "anthropic"}});
    let told = change(&server, &key, &tenant, other).await;
    assert_eq!(told["llm"]["api_key_set"], false);
    check().await;
    assert_eq!(keys_at(&foreign)[2..], [None]);
}

#[tokio::test]
async fn the_rerankers_key_does_not_follow_to_another_address() {
    let server = TestServer::of_this_machine().await;
    let (tenant, key) = server.tenant("Shop").await;
    add_ready(&server, &tenant, "Returns", "returns are free").await;
    let (own, foreign) = (listener().await, listener().await);
    let search = async || {
        let path = format!("{tenant}/search");
        let asked = json!({"query": "are returns free"});
        server.post(&key, &path, asked).await.expect(200)
    };
    let given = json!({"retrieval": {
        "rerank": "provider", "rerank_url": own.url(), "rerank_api_key": "rk-own"}});
    let set = change(&server, &key, &tenant, given).await;
    assert_eq!(set["retrieval"]["rerank_api_key_set"], true);
    search().await;
    assert_eq!(keys_at(&own), [Some("rk-own".to_owned())]);

    let elsewhere = json!({"retrieval": {"rerank_url": foreign.url()}});
    let told = change(&server, &key, &tenant, elsewhere).await;
    assert_eq!(told["retrieval"]["rerank_api_key_set"], false);
    search().await;
    assert_eq!(keys_at(&foreign), [None]);

    let given = json!({"retrieval": {"rerank_url": own.url(), "rerank_api_key": "rk-new"}});
    change(&server, &key, &tenant, given).await;
    search().await;
    assert_eq!(keys_at(&own)[1..], [Some("rk-new".to_owned())]);
    // A key for nobody would go to whatever address comes next.
    let nobody = json!({"retrieval": null});
    let told = change(&server, &key, &tenant, nobody).await;
    assert_eq!(told["retrieval"]["rerank_api_key_set"], false);
    let loose = json!({"settings": {"retrieval": {"rerank_api_key": "rk-loose"}}});
    let refused = server.put(&key, &tenant, loose).await;
    assert_eq!(refused.problem(422), "invalid_request");
    assert!(refused.text.contains("settings.retrieval.rerank_api_key"));
}

#[tokio::test]
async fn the_embedders_key_does_not_follow_to_another_address() {
    let server = TestServer::of_this_machine().await;
    let (tenant, key) = server.tenant("Shop").await;
    let start = async || OpenAiServer::start(OpenAiOptions::default()).await.unwrap();
    let (own, foreign) = (start().await, start().await);
    let keys = |server: &OpenAiServer| -> Vec<Option<String>> {
        let calls = server.received().into_iter();
        calls.map(|call| call.api_key).collect()
    };
    // Searches embed by the embedder of the live set: the one that is set.
    let search = async || {
        live_by_settings(&server, &tenant).await;
        let path = format!("{tenant}/search");
        let asked = json!({"query": "are returns free"});
        let found = server.post(&key, &path, asked).await.expect(200);
        assert_eq!(found["by_vector"], true);
    };
    let given = json!({"embedding": {
        "provider": "openai", "base_url": own.base_url(), "api_key": "sk-own"}});
    let set = change(&server, &key, &tenant, given).await;
    assert_eq!(set["embedding"]["api_key_set"], true);
    search().await;
    assert_eq!(keys(&own), [Some("sk-own".to_owned())]);

    let elsewhere = json!({"embedding": {"base_url": foreign.base_url()}});
    let told = change(&server, &key, &tenant, elsewhere).await;
    assert_eq!(told["embedding"]["api_key_set"], false);
    search().await;
    assert_eq!(keys(&foreign), [None]);

    let given = json!({"embedding": {"base_url": own.base_url(), "api_key": "sk-new"}});
    change(&server, &key, &tenant, given).await;
    search().await;
    assert_eq!(keys(&own)[1..], [Some("sk-new".to_owned())]);
}

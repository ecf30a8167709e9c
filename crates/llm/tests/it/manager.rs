//! From settings to whoever answers, over real sockets.

use std::sync::Arc;

use domain::{CircuitState, Health, LlmChoice, LlmSettings, TenantId};
use llm::manager::{Fault, Keys, Manager, ManagerPolicy};
use llm::{Error, Message, Model as _, Models, PlatformProviders, Request, Timeouts};
use outbound::{AllowRule, Guard};
use testkit::raw::{Server, Step};
use url::Url;

const DONE: &str =
    "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\n";

fn models() -> Arc<Models> {
    let guard = Guard::new(["127.0.0.0/8".parse::<AllowRule>().unwrap()]);
    let models = Models::new(PlatformProviders::default(), &guard, Timeouts::default());
    Arc::new(models.unwrap())
}

fn manager() -> Manager {
    Manager::new(models(), ManagerPolicy::default())
}

fn settings(url: &Url) -> LlmSettings {
    LlmSettings {
        provider: "openai".to_owned(),
        model: "m".to_owned(),
        base_url: Some(url.clone()),
        ..LlmSettings::default()
    }
}

fn keys(first: &str) -> Keys {
    Keys {
        first: Some(first.into()),
        ..Keys::default()
    }
}

fn request() -> Request {
    Request {
        messages: vec![Message::user("Hello")],
        ..Request::default()
    }
}

fn answer() -> Vec<Step> {
    Server::stream(DONE, DONE.len())
}

#[tokio::test]
async fn the_same_content_is_the_same_chain_and_any_other_is_another() {
    let manager = manager();
    let tenant = TenantId::new();
    let url: Url = "http://127.0.0.1:9/v1".parse().unwrap();
    let chain = manager.chain(tenant, &settings(&url), &keys("a"));
    assert!(Arc::ptr_eq(
        &chain,
        &manager.chain(tenant, &settings(&url), &keys("a"))
    ));
    let mut with_fallback = settings(&url);
    with_fallback.fallbacks = vec![LlmChoice {
        provider: "builtin".to_owned(),
        ..LlmChoice::default()
    }];
    for other in [
        manager.chain(tenant, &settings(&url), &keys("b")),
        manager.chain(tenant, &settings(&url), &Keys::default()),
        manager.chain(TenantId::new(), &settings(&url), &keys("a")),
        manager.chain(tenant, &with_fallback, &keys("a")),
        manager.chain(
            tenant,
            &LlmSettings {
                model: "n".to_owned(),
                ..settings(&url)
            },
            &keys("a"),
        ),
    ] {
        assert!(!Arc::ptr_eq(&chain, &other));
    }
}

#[tokio::test]
async fn a_changed_key_is_used_by_the_next_call() {
    let mut server = Server::start(vec![answer(), answer()]).await;
    let manager = manager();
    let tenant = TenantId::new();
    for key in ["sk-old", "sk-new"] {
        let chain = manager.chain(tenant, &settings(&server.url), &keys(key));
        assert_eq!(chain.complete(request()).await.unwrap().text, "ok");
        let (head, _) = server.request().await;
        assert!(
            head.contains(&format!("authorization: bearer {key}")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn the_builtin_answerer_stands_in_for_a_server_that_is_away() {
    let url: Url = "http://127.0.0.1:9/v1".parse().unwrap();
    let mut settings = settings(&url);
    settings.fallbacks = vec![LlmChoice {
        provider: "builtin".to_owned(),
        ..LlmChoice::default()
    }];
    let chain = manager().chain(TenantId::new(), &settings, &Keys::default());
    assert!(!chain.complete(request()).await.unwrap().text.is_empty());
}

#[tokio::test]
async fn what_a_tenant_brings_fails_for_it_alone() {
    let refusals = (0..6).map(|_| Server::response("401 Unauthorized", "", "{}"));
    let server = Server::start(refusals.collect()).await;
    let manager = manager();
    let (one, two) = (TenantId::new(), TenantId::new());
    let chain = manager.chain(one, &settings(&server.url), &keys("sk"));
    for _ in 0..5 {
        let error = chain.complete(request()).await.unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
    }
    assert_eq!(chain.view()[0].circuit.state, CircuitState::Open);
    assert_eq!(manager.circuits().open, 1);
    let other = manager.chain(two, &settings(&server.url), &keys("sk"));
    assert_eq!(other.view()[0].circuit.state, CircuitState::Closed);
    // With another key it is another account.
    let mended = manager.chain(one, &settings(&server.url), &keys("sk-2"));
    assert_eq!(mended.view()[0].circuit.health, Health::Healthy);
}

#[tokio::test]
async fn a_check_lists_the_models_with_the_tenants_key() {
    let list = r#"{"object": "list", "data": [{"id": "m"}, {"id": "other"}]}"#;
    let mut server = Server::start(vec![
        Server::response("200 OK", "", list),
        Server::response("200 OK", "", r#"{"data": []}"#),
        Server::response("401 Unauthorized", "", "{}"),
        Server::response("404 Not Found", "", "no such page"),
        Server::response("200 OK", "", "<html>"),
    ])
    .await;
    let models = models();
    let manager = Manager::new(Arc::clone(&models), ManagerPolicy::default());
    let (tenant, settings) = (TenantId::new(), settings(&server.url));
    for (has_model, fault) in [
        (Some(true), None),
        (Some(false), None),
        (None, Some(Fault::KeyRefused)),
        (None, None),
        (None, Some(Fault::BrokenStream)),
    ] {
        let checked = manager
            .check(tenant, &settings, &keys("sk"), &*models)
            .await;
        assert_eq!(checked.len(), 1);
        assert_eq!(checked[0].has_model, has_model);
        assert_eq!(checked[0].error.as_ref().map(Fault::of), fault);
        let (head, _) = server.head().await;
        assert!(head.starts_with("get /v1/models "), "{head}");
        assert!(head.contains("authorization: bearer sk"), "{head}");
    }
}

#[tokio::test]
async fn a_check_asks_nobody_where_there_is_nobody_to_ask() {
    let models = models();
    let manager = Manager::new(Arc::clone(&models), ManagerPolicy::default());
    let settings = LlmSettings {
        fallbacks: vec![LlmChoice {
            provider: "nobody".to_owned(),
            ..LlmChoice::default()
        }],
        ..LlmSettings::default()
    };
    let checked = manager
        .check(TenantId::new(), &settings, &Keys::default(), &*models)
        .await;
    assert!(checked[0].error.is_none() && checked[0].has_model.is_none());
    let fault = checked[1].error.as_ref().map(Fault::of);
    assert_eq!(fault, Some(Fault::Misconfigured));
}

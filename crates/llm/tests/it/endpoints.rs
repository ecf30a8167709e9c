//! Who is called with whose key.

use std::sync::Arc;

use domain::LlmSettings;
use llm::{Error, Message, Models, PlatformProviders, Request, Timeouts};
use outbound::{AllowRule, Guard};
use secrecy::SecretString;
use testkit::raw::{SSE, Server, Step};
use url::Url;

const DONE: &str =
    "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\n";

fn platform(base_url: Option<Url>) -> PlatformProviders {
    PlatformProviders {
        openai_api_key: Some(SecretString::from("sk-platform")),
        openai_base_url: base_url,
        ..PlatformProviders::default()
    }
}

fn settings(base_url: Option<Url>) -> LlmSettings {
    LlmSettings {
        provider: "openai".to_owned(),
        base_url,
        ..LlmSettings::default()
    }
}

fn key(text: &str) -> SecretString {
    SecretString::from(text)
}

fn loopback() -> Guard {
    Guard::new(["127.0.0.0/8".parse::<AllowRule>().unwrap()])
}

async fn head_sent(
    platform_url: Option<&Server>,
    server: &mut Server,
    settings: LlmSettings,
    tenant_key: Option<SecretString>,
) -> String {
    let platform = platform(platform_url.map(|server| server.url.clone()));
    let models = Models::new(platform, &loopback(), Timeouts::default()).unwrap();
    let model = models.model_for(&settings, tenant_key).unwrap();
    let request = Request {
        messages: vec![Message::user("hi")],
        ..Request::default()
    };
    assert_eq!(model.complete(request).await.unwrap().text, "ok");
    server.request().await.0
}

#[tokio::test]
async fn a_tenants_address_never_gets_the_platforms_key() {
    let mut server = Server::start(vec![Server::stream(DONE, 64), Server::stream(DONE, 64)]).await;
    let with_own = settings(Some(server.url.clone()));
    let head = head_sent(None, &mut server, with_own.clone(), None).await;
    assert!(!head.contains("authorization"), "{head}");
    let head = head_sent(None, &mut server, with_own, Some(key("sk-tenant"))).await;
    assert!(head.contains("authorization: bearer sk-tenant"), "{head}");
}

#[tokio::test]
async fn the_platforms_address_gets_the_tenants_key_before_its_own() {
    let one = || vec![Step::Raw(SSE.into()), Step::Chunk(DONE.into()), Step::End];
    for (tenant_key, sent) in [
        (Some(key("sk-tenant")), "bearer sk-tenant"),
        (None, "bearer sk-platform"),
    ] {
        let mut server = Server::start(vec![one()]).await;
        let url = server.url.clone();
        let models = Models::new(platform(Some(url)), &Guard::default(), Timeouts::default());
        let model = models
            .unwrap()
            .model_for(&settings(None), tenant_key)
            .unwrap();
        let request = Request {
            messages: vec![Message::user("hi")],
            ..Request::default()
        };
        model.complete(request).await.unwrap();
        let (head, _) = server.request().await;
        assert!(head.contains(sent), "{head}");
    }
}

#[tokio::test]
async fn a_tenants_address_inside_the_house_is_refused() {
    let models = Models::new(platform(None), &Guard::default(), Timeouts::default()).unwrap();
    for url in [
        "http://127.0.0.1:9/v1",
        "http://localhost:9/v1",
        "http://[::1]:9/v1",
    ] {
        let settings = settings(Some(url.parse().unwrap()));
        let model = models.model_for(&settings, Some(key("sk-tenant"))).unwrap();
        let refused = model.complete(Request::default()).await.unwrap_err();
        assert!(
            matches!(refused, Error::Misconfigured { .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn settings_that_lead_nowhere_are_told() {
    let nobody = PlatformProviders::default();
    let models = Models::new(nobody, &Guard::default(), Timeouts::default()).unwrap();
    let unknown = LlmSettings {
        provider: "acme".to_owned(),
        ..LlmSettings::default()
    };
    let refused = models.model_for(&unknown, None).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "acme cannot be used: no such provider is known"
    );
    let keyless = models.model_for(&settings(None), None).err().unwrap();
    assert_eq!(
        keyless.to_string(),
        "openai cannot be used: it needs an API key, and none is set"
    );
}

#[test]
fn the_same_settings_and_key_give_the_same_model() {
    let models = Models::new(platform(None), &Guard::default(), Timeouts::default()).unwrap();
    let one = models.model_for(&settings(None), Some(key("a"))).unwrap();
    assert!(Arc::ptr_eq(
        &one,
        &models.model_for(&settings(None), Some(key("a"))).unwrap()
    ));
    assert!(!Arc::ptr_eq(
        &one,
        &models.model_for(&settings(None), Some(key("b"))).unwrap()
    ));
}

use std::sync::Arc;

use domain::{LlmChoice, LlmSettings, TenantId};
use outbound::Guard;

use super::stage::{PATIENCE, Seen, link, request};
use crate::manager::link::Link;
use crate::manager::{Chain, Fault, Keys, Manager, ManagerPolicy};
use crate::{Model, Models, PlatformProviders, Reply, Scripted, Timeouts};

#[tokio::test]
async fn one_tenants_choice_of_model_is_no_other_tenants_trouble() {
    let platform = PlatformProviders {
        openai_api_key: Some("sk-platform".into()),
        ..PlatformProviders::default()
    };
    let models = Models::new(platform, &Guard::default(), Timeouts::default()).unwrap();
    let manager = Manager::new(Arc::new(models), ManagerPolicy::default());
    let own = Keys {
        first: Some("sk-own".into()),
        ..Keys::default()
    };
    let link = |tenant, model: &str, keys: &Keys| {
        let settings = LlmSettings {
            provider: "openai".to_owned(),
            model: model.to_owned(),
            ..LlmSettings::default()
        };
        Arc::clone(&manager.chain(tenant, &settings, keys).links[0])
    };
    let (one, other) = (TenantId::new(), TenantId::new());
    let (none, odd) = (Keys::default(), "gpt-overloaded");
    for _ in 0..5 {
        link(one, odd, &none).circuit.note(Some(Fault::Unavailable));
    }
    assert!(!link(one, odd, &none).may_answer());
    assert!(!link(other, odd, &none).may_answer());
    assert!(link(other, "", &none).may_answer());
    // The provider's default model is the same whether it is named or not.
    link(one, "", &none).circuit.note(Some(Fault::TimedOut));
    let named = link(other, "gpt-6-luna", &none).circuit.view();
    assert_eq!(named.fault, Some(Fault::TimedOut));
    // A tenant's own key is one account, whatever the model.
    link(one, odd, &own).circuit.note(Some(Fault::KeyRefused));
    let refused = link(one, "gpt-4o-mini", &own).circuit.view().fault;
    assert_eq!(refused, Some(Fault::KeyRefused));
}

#[test]
fn a_chain_has_the_smallest_context_of_the_links_that_lead_to_a_model() {
    let scripted = || -> Arc<dyn Model> { Arc::new(Scripted::default()) };
    let of = |links: Vec<Arc<Link>>| {
        let patience = PATIENCE;
        Chain { links, patience }.context().tokens
    };
    let nowhere = || Err("no key is set".to_owned());
    assert_eq!(of(vec![link(0, Ok(scripted()))]), 100_000);
    let two = vec![link(0, Ok(scripted())), link(1, Ok(scripted()))];
    assert_eq!(of(two), 50_000);
    let one = vec![link(0, Ok(scripted())), link(1, nowhere())];
    assert_eq!(of(one), 100_000);
    assert_eq!(of(vec![link(0, nowhere())]), u32::MAX);
}

#[test]
fn what_settings_say_of_a_context_is_about_their_own_model() {
    let models = Models::new(
        PlatformProviders::default(),
        &Guard::default(),
        Timeouts::default(),
    );
    let manager = Manager::new(Arc::new(models.unwrap()), ManagerPolicy::default());
    let elsewhere = |path: &str| Some(format!("https://llm.example/{path}").parse().unwrap());
    let mut settings = LlmSettings {
        provider: "openai".to_owned(),
        model: "my-own".to_owned(),
        base_url: elsewhere("one"),
        context_tokens: Some(32_000),
        ..LlmSettings::default()
    };
    let tokens = |settings: &LlmSettings| {
        let chain = manager.chain(TenantId::new(), settings, &Keys::default());
        let links = chain.links.iter();
        links.map(|link| link.context.tokens).collect::<Vec<_>>()
    };
    settings.fallbacks = vec![LlmChoice {
        provider: "openai".to_owned(),
        model: "my-own".to_owned(),
        base_url: elsewhere("two"),
    }];
    assert_eq!(tokens(&settings), [32_000, 8_192]);
}

#[tokio::test(start_paused = true)]
async fn settings_that_lead_nowhere_are_passed_over() {
    let script = Arc::new(Scripted::new([Reply::text("Yes")]));
    let chain = Arc::new(Chain {
        links: vec![
            link(0, Err("no such provider is known".to_owned())),
            link(1, Ok(script)),
        ],
        patience: PATIENCE,
    });
    let seen = Arc::new(Seen::default());
    let model = chain.observed(Arc::<Seen>::clone(&seen));
    assert_eq!(model.complete(request()).await.unwrap().text, "Yes");
    let calls = seen.0.lock().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].place, 1);
    let detail = chain.view()[0].misconfigured.clone();
    assert_eq!(detail.as_deref(), Some("no such provider is known"));
}

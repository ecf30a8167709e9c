use domain::TenantSettings;
use outbound::Guard;
use serde_json::Value;
use store::tenants::TenantSecrets;

use super::{SettingsChange, SettingsView};
use crate::payload::Checks;
use serde_json::json;

fn change(settings: &mut TenantSettings, raw: &Value) -> (TenantSecrets, Result<(), String>) {
    let mut checks = Checks::default();
    let mut secrets = TenantSecrets {
        llm_api_key: Some("old".to_owned()),
        rerank_api_key: None,
        embedding_api_key: Some("old-too".to_owned()),
        llm_api_keys: [("openai".to_owned(), "old".to_owned())].into(),
        moderation_secret: None,
    };
    let change: SettingsChange = serde_json::from_value(raw.clone()).unwrap();
    change.apply(raw, settings, &mut secrets, &Guard::default(), &mut checks);
    let checked = checks.finish().map_err(|problem| format!("{problem:?}"));
    (secrets, checked)
}

#[test]
fn what_is_missing_stays_and_null_is_the_default() {
    let mut settings = TenantSettings::default();
    let raw =
        json!({"settle_ms": 0, "llm": {"provider": "openai", "model": "m", "temperature": 0.5}});
    change(&mut settings, &raw).1.unwrap();
    change(&mut settings, &json!({"llm": {"temperature": null}}))
        .1
        .unwrap();
    assert_eq!(settings.settle_ms, 0);
    assert_eq!(settings.llm.provider, "openai");
    assert_eq!(settings.llm.temperature, None);
    change(&mut settings, &json!({"settle_ms": null}))
        .1
        .unwrap();
    assert_eq!(settings.settle_ms, 2000);
}

#[test]
fn the_key_goes_to_the_secrets_alone() {
    let mut settings = TenantSettings::default();
    let (kept, _) = change(&mut settings, &json!({"llm": {"model": "m"}}));
    assert_eq!(kept.llm_api_key.as_deref(), Some("old"));
    let (set, _) = change(&mut settings, &json!({"llm": {"api_key": "sk-new"}}));
    assert_eq!(set.llm_api_key.as_deref(), Some("sk-new"));
    assert!(!serde_json::to_string(&settings).unwrap().contains("sk-new"));
    let (gone, _) = change(&mut settings, &json!({"llm": {"api_key": null}}));
    assert_eq!(gone.llm_api_key, None);
    let raw = json!({"retrieval": {
        "rerank_url": "https://rerank.example/v1", "rerank_api_key": "rk-new"}});
    let (set, _) = change(&mut settings, &raw);
    assert_eq!(set.rerank_api_key.as_deref(), Some("rk-new"));
    assert_eq!(set.llm_api_key.as_deref(), Some("old"));
    assert!(!serde_json::to_string(&settings).unwrap().contains("rk-new"));
}

#[test]
fn a_key_goes_with_whoever_it_was_given_for() {
    let mut settings = TenantSettings::default();
    let mut kept = |raw: Value| {
        let (secrets, checked) = change(&mut settings, &raw);
        checked.unwrap();
        (
            secrets.llm_api_key.is_some(),
            secrets.embedding_api_key.is_some(),
        )
    };
    let at = |url: &str| json!({"llm": {"base_url": url}, "embedding": {"base_url": url}});
    assert_eq!(kept(json!({"embedding": {"api_key": "sk"}})), (true, true));
    assert_eq!(kept(at("https://one.example/v1")), (false, false));
    // The same host, whatever is below it.
    assert_eq!(kept(at("https://one.example/v2")), (true, true));
    assert_eq!(kept(at("https://one.example:8443/v2")), (false, false));
    assert_eq!(kept(at("http://one.example:8443/v2")), (false, false));
    assert_eq!(kept(at("http://two.example:8443/v2")), (false, false));
    let other = json!({"llm": {"provider": "ollama"}, "embedding": {"provider": "ollama"}});
    assert_eq!(kept(other), (false, false));
    assert_eq!(
        kept(json!({"llm": null, "embedding": null})),
        (false, false)
    );
    assert_eq!(
        kept(json!({"llm": {"fallbacks": [{"provider": "openai"}]}})),
        (true, true)
    );
}

#[test]
fn keys_by_account_come_and_go_one_by_one() {
    let mut settings = TenantSettings::default();
    let raw = json!({"llm": {"api_keys": {"anthropic": "sk-a", "openai": null}}});
    let (secrets, checked) = change(&mut settings, &raw);
    checked.unwrap();
    assert_eq!(
        secrets.llm_api_keys,
        [("anthropic".to_owned(), "sk-a".to_owned())].into()
    );
    assert_eq!(secrets.llm_api_key.as_deref(), Some("old"));
    assert!(!serde_json::to_string(&settings).unwrap().contains("sk-a"));
    let view = format!("{:?}", SettingsView::new(settings.clone(), &secrets));
    assert!(
        view.contains("anthropic") && !view.contains("sk-a"),
        "{view}"
    );
    let many: serde_json::Map<String, Value> = (0..20)
        .map(|n| (format!("openai@{n}"), json!("k")))
        .collect();
    let (_, refused) = change(&mut settings, &json!({"llm": {"api_keys": many}}));
    assert!(refused.unwrap_err().contains("settings.llm.api_keys"));
}

#[test]
fn fallbacks_and_the_budget_are_replaced_and_put_back() {
    let mut settings = TenantSettings::default();
    let raw = json!({
        "llm": {"fallbacks": [{"provider": "openai", "base_url": "https://llm.example/v1"},
                              {"provider": "builtin"}]},
        "budget": {"monthly_microdollars": 5_000_000, "when_spent": "builtin"},
    });
    change(&mut settings, &raw).1.unwrap();
    assert_eq!(settings.llm.fallbacks[0].account(), "openai@llm.example");
    assert_eq!(settings.llm.chain().len(), 3);
    assert_eq!(settings.budget.monthly_microdollars, Some(5_000_000));
    assert_eq!(settings.budget.when_spent, domain::WhenSpent::Builtin);
    let back = json!({"llm": {"fallbacks": null}, "budget": {"monthly_microdollars": null}});
    change(&mut settings, &back).1.unwrap();
    assert!(settings.llm.fallbacks.is_empty());
    assert_eq!(settings.budget.monthly_microdollars, None);
    assert_eq!(settings.budget.when_spent, domain::WhenSpent::Builtin);
}

#[test]
fn everything_wrong_is_named() {
    let raw = json!({
        "settle_ms": 60_001,
        "retrieval": {"top_k": 0, "rerank_url": "http://10.0.0.1/v1", "passage_tokens": 8001},
        "webchat_origins": ["https://shop.example/path"],
        "chunking": {"max_tokens": 8193, "overlap_tokens": 4097},
        "embedding": {
            "provider": "acme", "dimensions": 4001, "base_url": "http://127.0.0.1/v1",
        },
        "llm": {"base_url": "http://127.0.0.1/v1", "temperature": 3.0, "fallbacks": [
            {"provider": "", "base_url": "http://10.0.0.1/v1"}, {"provider": "builtin"},
            {"provider": "builtin"}, {"provider": "builtin"}, {"provider": "builtin"},
            {"provider": "builtin"}]},
        "budget": {"monthly_microdollars": -1, "warn_percent": 0},
        "moderation": {"blocked": [""], "url": "http://10.0.0.1/", "timeout_seconds": 11},
    });
    let error = change(&mut TenantSettings::default(), &raw).1.unwrap_err();
    for field in [
        "settings.settle_ms",
        "settings.llm.base_url",
        "settings.llm.temperature",
        "settings.retrieval.top_k",
        "settings.retrieval.rerank_url",
        "settings.retrieval.passage_tokens",
        "settings.webchat_origins[0]",
        "settings.chunking.max_tokens",
        "settings.chunking.overlap_tokens",
        "settings.embedding.provider",
        "settings.embedding.dimensions",
        "settings.embedding.base_url",
        "settings.llm.fallbacks",
        "settings.llm.fallbacks[0].provider",
        "settings.llm.fallbacks[0].base_url",
        "settings.budget.monthly_microdollars",
        "settings.budget.warn_percent",
        "settings.moderation.blocked",
        "settings.moderation.url",
        "settings.moderation.secret",
        "settings.moderation.timeout_seconds",
    ] {
        assert!(
            error.contains(&format!("\"{field}\"")),
            "{field} in {error}"
        );
    }
}

#[test]
fn an_embedding_is_chosen_in_parts_and_given_up_with_its_key() {
    let mut settings = TenantSettings::default();
    let raw = json!({"embedding": {"provider": "openai", "api_key": "sk-embed"}});
    let (set, checked) = change(&mut settings, &raw);
    checked.unwrap();
    assert_eq!(set.embedding_api_key.as_deref(), Some("sk-embed"));
    assert_eq!(set.llm_api_key.as_deref(), Some("old"));
    let (kept, checked) = change(&mut settings, &json!({"embedding": {"dimensions": 512}}));
    checked.unwrap();
    assert_eq!(kept.embedding_api_key.as_deref(), Some("old-too"));
    let embedding = settings.embedding.clone().unwrap();
    assert_eq!(embedding.provider, "openai");
    assert_eq!(embedding.dimensions.map(u32::from), Some(512));
    let (gone, checked) = change(&mut settings, &json!({"embedding": null}));
    checked.unwrap();
    assert_eq!(settings.embedding, None);
    assert_eq!(gone.embedding_api_key, None);
}

#[test]
fn a_moderation_service_has_a_secret_for_as_long_as_it_is_set() {
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let mut settings = TenantSettings::default();
    let mut secrets = TenantSecrets::default();
    let mut put = |moderation: Value| {
        let raw = json!({"moderation": moderation});
        let change: SettingsChange = serde_json::from_value(raw.clone()).unwrap();
        assert!(!format!("{change:?}").contains("whsec_"));
        let (mut changed, mut sealed) = (settings.clone(), secrets.clone());
        let mut checks = Checks::default();
        change.apply(
            &raw,
            &mut changed,
            &mut sealed,
            &Guard::default(),
            &mut checks,
        );
        let checked = checks.finish().map_err(|problem| format!("{problem:?}"));
        if checked.is_ok() {
            (settings, secrets) = (changed, sealed);
        }
        let kept = secrets.moderation_secret.clone();
        (checked, kept, serde_json::to_value(&settings).unwrap())
    };
    let at = |url: &str| json!({"url": url});
    for wrong in [
        at("https://moderation.example/"),
        json!({"url": "https://moderation.example/", "secret": "whsec_short"}),
        json!({"secret": SECRET}),
    ] {
        let (checked, kept, _) = put(wrong.clone());
        let error = checked.unwrap_err();
        assert!(
            error.contains("settings.moderation.secret"),
            "{wrong}: {error}"
        );
        assert!(
            !error.contains(SECRET) && kept.is_none(),
            "{wrong}: {error}"
        );
    }
    let (checked, kept, shown) =
        put(json!({"url": "https://moderation.example/", "secret": SECRET}));
    checked.unwrap();
    assert_eq!(kept.as_deref(), Some(SECRET));
    assert!(!shown.to_string().contains("whsec_"), "{shown}");
    assert_eq!(shown["moderation"]["on_failure"], "block");
    assert_eq!(shown["moderation"]["timeout_seconds"], 3);
    // At another address it signs as before; without one it is gone.
    let (checked, kept, _) = put(at("https://elsewhere.example/judge"));
    checked.unwrap();
    assert_eq!(kept.as_deref(), Some(SECRET));
    assert!(put(json!({"secret": null})).0.is_err());
    let (checked, kept, shown) = put(json!({"url": null}));
    checked.unwrap();
    assert_eq!((kept, &shown["moderation"]["url"]), (None, &Value::Null));
}

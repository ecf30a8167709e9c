//! A tenant's settings, as they are shown and as they are changed.

use std::collections::HashMap;

use domain::{LlmSettings, RagMode, TenantSettings};
use outbound::Guard;
use poem_openapi::{Enum, Object};
use serde::Deserialize;
use serde_json::Value;
use store::tenants::TenantSecrets;
use url::Url;

use super::budget_settings::{BudgetChange, BudgetView, check_budget};
use super::llm_settings::{
    LlmChoiceChange, LlmChoiceView, apply_keys, check_address, check_fallbacks,
};
use crate::payload::Checks;

/// How documents reach the model.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rag {
    /// Not at all.
    Off,
    /// The best passages stand in the prompt.
    Context,
}

/// How a tenant is answered for.
#[derive(Debug, Object)]
#[oai(rename = "TenantSettings")]
pub(crate) struct SettingsView {
    /// How long a burst of messages is let settle before it is answered as one, in milliseconds.
    settle_ms: u32,
    /// The longest a burst may keep its first message waiting, in milliseconds.
    settle_max_ms: u32,
    /// Who answers.
    llm: LlmView,
    /// What the model is told about the tenant and its manner.
    instructions: String,
    /// How many earlier messages the model sees.
    history_messages: u32,
    /// How documents reach the model.
    rag: Rag,
    /// How passages are found and ranked.
    retrieval: RetrievalView,
    /// What the customer reads when no answer could be made in time.
    fallback_text: String,
    /// How long making an answer may take, in seconds.
    answer_deadline_seconds: u32,
    /// Origins that may open a web chat; empty: any.
    webchat_origins: Vec<String>,
    /// What a calendar month (UTC) may cost.
    budget: BudgetView,
}

/// Which model answers.
#[derive(Debug, Object)]
#[oai(rename = "LlmSettings")]
struct LlmView {
    /// The provider.
    provider: String,
    /// The provider's name of the model; empty: the provider's default.
    model: String,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
    /// The most tokens an answer may take.
    max_output_tokens: u32,
    /// Sampling temperature; `null`: the model's own.
    temperature: Option<f32>,
    /// Whether the tenant set a key of its own; the key itself never comes back.
    api_key_set: bool,
    /// Who answers instead, in this order, when the one before cannot.
    fallbacks: Vec<LlmChoiceView>,
    /// The accounts that the tenant set keys for; the keys themselves never come back.
    api_keys_set: Vec<String>,
}

impl LlmView {
    fn new(llm: LlmSettings, secrets: &TenantSecrets) -> Self {
        Self {
            provider: llm.provider,
            model: llm.model,
            base_url: llm.base_url.map(Into::into),
            max_output_tokens: llm.max_output_tokens,
            temperature: llm.temperature,
            api_key_set: secrets.llm_api_key.is_some(),
            fallbacks: llm.fallbacks.into_iter().map(LlmChoiceView::new).collect(),
            api_keys_set: secrets.llm_api_keys.keys().cloned().collect(),
        }
    }
}

/// How passages are found and ranked.
#[derive(Debug, Object)]
#[oai(rename = "RetrievalSettings")]
struct RetrievalView {
    /// How many passages an answer may draw on.
    top_k: u32,
    /// Weight of the keyword score.
    keyword_weight: f64,
    /// Weight of the vector score.
    vector_weight: f64,
    /// Passages with a lower cosine similarity count as not found by vector.
    min_similarity: f64,
}

impl SettingsView {
    pub(crate) fn new(settings: TenantSettings, secrets: &TenantSecrets) -> Self {
        let (llm, retrieval) = (settings.llm, settings.retrieval);
        Self {
            settle_ms: settings.settle_ms,
            settle_max_ms: settings.settle_max_ms,
            llm: LlmView::new(llm, secrets),
            instructions: settings.instructions,
            history_messages: settings.history_messages,
            rag: match settings.rag {
                RagMode::Off => Rag::Off,
                RagMode::Context => Rag::Context,
            },
            retrieval: RetrievalView {
                top_k: retrieval.top_k,
                keyword_weight: retrieval.keyword_weight,
                vector_weight: retrieval.vector_weight,
                min_similarity: retrieval.min_similarity,
            },
            fallback_text: settings.fallback_text,
            answer_deadline_seconds: settings.answer_deadline_seconds,
            webchat_origins: settings.webchat_origins,
            budget: BudgetView::new(settings.budget),
        }
    }
}

/// A change to a tenant's settings: what is missing stays, `null` goes back to the default.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    /// How long a burst of messages is let settle, in milliseconds, at most 60000; 0 answers at
    /// once. Default 2000.
    settle_ms: Option<u32>,
    /// The longest a burst may keep its first message waiting, in milliseconds, at most 300000.
    /// Default 6000.
    settle_max_ms: Option<u32>,
    /// Who answers.
    llm: Option<LlmChange>,
    /// What the model is told about the tenant and its manner, up to 20000 characters.
    instructions: Option<String>,
    /// How many earlier messages the model sees, at most 100. Default 10.
    history_messages: Option<u32>,
    /// How documents reach the model. Default `context`.
    rag: Option<Rag>,
    /// How passages are found and ranked.
    retrieval: Option<RetrievalChange>,
    /// What the customer reads when no answer could be made in time, 1 to 2000 characters.
    fallback_text: Option<String>,
    /// How long making an answer may take, in seconds, 5 to 600. Default 60.
    answer_deadline_seconds: Option<u32>,
    /// Origins that may open a web chat, such as `https://shop.example`, at most 50; empty: any.
    webchat_origins: Option<Vec<String>>,
    /// What a calendar month (UTC) may cost.
    budget: Option<BudgetChange>,
}

/// A change to who answers.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct LlmChange {
    /// The provider: `builtin`, `openai`, … Default `builtin`.
    provider: Option<String>,
    /// The provider's name of the model; empty: the provider's default.
    model: Option<String>,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
    /// The most tokens an answer may take, 1 to 32000. Default 1024.
    max_output_tokens: Option<u32>,
    /// Sampling temperature, 0 to 2.
    temperature: Option<f32>,
    /// The tenant's own key to the provider. Never comes back; `null` takes it away.
    #[oai(write_only)]
    api_key: Option<String>,
    /// Who answers instead, in this order, when the one before cannot, at most 5. Default nobody.
    fallbacks: Option<Vec<LlmChoiceChange>>,
    /// The tenant's own keys by account: `<provider>`, or `<provider>@<host>` at another address.
    /// Never come back; `null` takes one away, and those that are not named stay.
    #[oai(write_only)]
    api_keys: Option<HashMap<String, Option<String>>>,
}

impl std::fmt::Debug for LlmChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlmChange").finish_non_exhaustive()
    }
}

/// A change to how passages are found and ranked.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetrievalChange {
    /// How many passages an answer may draw on, 1 to 20. Default 5.
    top_k: Option<u32>,
    /// Weight of the keyword score, 0 to 1. Default 0.3.
    keyword_weight: Option<f64>,
    /// Weight of the vector score, 0 to 1. Default 0.7.
    vector_weight: Option<f64>,
    /// Passages with a lower cosine similarity count as not found by vector, 0 to 1. Default 0.2.
    min_similarity: Option<f64>,
}

impl SettingsChange {
    /// Applies the change, whose body as sent is `raw`; what does not hold is noted.
    pub(crate) fn apply(
        self,
        raw: &Value,
        settings: &mut TenantSettings,
        secrets: &mut TenantSecrets,
        guard: &Guard,
        checks: &mut Checks,
    ) {
        let mut raw = raw.clone();
        if let Some(llm) = raw.get_mut("llm").and_then(Value::as_object_mut) {
            // Only the body as sent tells a missing key from `null`.
            let has_key = llm.shift_remove("api_key").is_some();
            llm.shift_remove("api_keys");
            if let Some(change) = self.llm {
                if has_key {
                    let key = change.api_key;
                    let checked = |key: String| checks.text("settings.llm.api_key", &key, 2000);
                    secrets.llm_api_key = key.map(checked);
                }
                apply_keys(change.api_keys.unwrap_or_default(), secrets, checks);
            }
        }
        let Ok(mut merged) = serde_json::to_value(&*settings) else {
            return;
        };
        merge(&mut merged, raw);
        match serde_path_to_error::deserialize::<_, TenantSettings>(merged) {
            Ok(changed) => *settings = changed,
            Err(error) => {
                let field = format!("settings.{}", error.path());
                return checks.require(false, &field, "is not in its form");
            }
        }
        check(settings, guard, checks);
    }
}

/// Merges as RFC 7396 does; a field that is taken out falls back to its default.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn check(settings: &TenantSettings, guard: &Guard, checks: &mut Checks) {
    check_numbers(settings, checks);
    let chars = |text: &str| text.chars().count();
    let mut text = |field: &str, value: &str, low: usize, high: usize| {
        let fits = (low..=high).contains(&chars(value.trim())) && !value.contains('\0');
        let detail = format!("must have {low} to {high} characters");
        checks.require(fits, &format!("settings.{field}"), detail);
    };
    text("instructions", &settings.instructions, 0, 20_000);
    text("fallback_text", &settings.fallback_text, 1, 2000);
    text("llm.provider", &settings.llm.provider, 1, 64);
    text("llm.model", &settings.llm.model, 0, 200);
    check_addresses(settings, guard, checks);
    check_fallbacks(&settings.llm.fallbacks, guard, checks);
    check_budget(&settings.budget, checks);
}

fn check_numbers(settings: &TenantSettings, checks: &mut Checks) {
    let (llm, retrieval) = (&settings.llm, &settings.retrieval);
    let mut number = |field: &str, value: f64, low: f64, high: f64| {
        let detail = format!("must be from {low} to {high}");
        checks.require(
            (low..=high).contains(&value),
            &format!("settings.{field}"),
            detail,
        );
    };
    for (field, value, low, high) in [
        ("settle_ms", settings.settle_ms, 0, 60_000),
        ("settle_max_ms", settings.settle_max_ms, 0, 300_000),
        ("history_messages", settings.history_messages, 0, 100),
        (
            "answer_deadline_seconds",
            settings.answer_deadline_seconds,
            5,
            600,
        ),
        ("retrieval.top_k", retrieval.top_k, 1, 20),
        ("llm.max_output_tokens", llm.max_output_tokens, 1, 32_000),
    ] {
        number(field, value.into(), low.into(), high.into());
    }
    number(
        "retrieval.keyword_weight",
        retrieval.keyword_weight,
        0.0,
        1.0,
    );
    number("retrieval.vector_weight", retrieval.vector_weight, 0.0, 1.0);
    number(
        "retrieval.min_similarity",
        retrieval.min_similarity,
        0.0,
        1.0,
    );
    if let Some(temperature) = llm.temperature {
        number("llm.temperature", temperature.into(), 0.0, 2.0);
    }
}

fn check_addresses(settings: &TenantSettings, guard: &Guard, checks: &mut Checks) {
    check_address(
        "settings.llm.base_url",
        settings.llm.base_url.as_ref(),
        guard,
        checks,
    );
    let is_short = settings.webchat_origins.len() <= 50;
    checks.require(
        is_short,
        "settings.webchat_origins",
        "must list at most 50 origins",
    );
    for (at, origin) in settings.webchat_origins.iter().enumerate() {
        let field = format!("settings.webchat_origins[{at}]");
        checks.require(
            is_origin(origin),
            &field,
            "must be an origin such as https://shop.example",
        );
    }
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(settings: &mut TenantSettings, raw: &Value) -> (TenantSecrets, Result<(), String>) {
        let mut checks = Checks::default();
        let mut secrets = TenantSecrets {
            llm_api_key: Some("old".to_owned()),
            llm_api_keys: [("openai".to_owned(), "old".to_owned())].into(),
        };
        let change: SettingsChange = serde_json::from_value(raw.clone()).unwrap();
        change.apply(raw, settings, &mut secrets, &Guard::default(), &mut checks);
        let checked = checks.finish().map_err(|problem| format!("{problem:?}"));
        (secrets, checked)
    }

    #[test]
    fn what_is_missing_stays_and_null_is_the_default() {
        let mut settings = TenantSettings::default();
        let raw = json!({"settle_ms": 0, "llm": {"provider": "openai", "model": "m", "temperature": 0.5}});
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
            "llm": {"base_url": "http://127.0.0.1/v1", "temperature": 3.0, "fallbacks": [
                {"provider": "", "base_url": "http://10.0.0.1/v1"}, {"provider": "builtin"},
                {"provider": "builtin"}, {"provider": "builtin"}, {"provider": "builtin"},
                {"provider": "builtin"}]},
            "retrieval": {"top_k": 0},
            "webchat_origins": ["https://shop.example/path"],
            "budget": {"monthly_microdollars": -1, "warn_percent": 0},
        });
        let error = change(&mut TenantSettings::default(), &raw).1.unwrap_err();
        for field in [
            "settings.settle_ms",
            "settings.llm.base_url",
            "settings.llm.temperature",
            "settings.retrieval.top_k",
            "settings.webchat_origins[0]",
            "settings.llm.fallbacks",
            "settings.llm.fallbacks[0].provider",
            "settings.llm.fallbacks[0].base_url",
            "settings.budget.monthly_microdollars",
            "settings.budget.warn_percent",
        ] {
            assert!(
                error.contains(&format!("\"{field}\"")),
                "{field} in {error}"
            );
        }
    }
}

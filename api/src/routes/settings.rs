//! A tenant's settings, as they are shown and as they are changed.

use std::collections::HashMap;

use domain::{ChunkMethod, LlmSettings, RagMode, RerankMethod, RetrievalSettings, TenantSettings};
use outbound::Guard;
use poem_openapi::{Enum, Object};
use serde::Deserialize;
use serde_json::Value;
use store::tenants::TenantSecrets;
use url::Url;

use super::budget_settings::{BudgetChange, BudgetView, check_budget};
use super::embedding_settings::{self, EmbeddingChange, EmbeddingView};
use super::llm_settings::{
    LlmChoiceChange, LlmChoiceView, apply_keys, check_address, check_fallbacks,
};
use super::people_settings::{
    HandoffChange, HandoffView, HoursChange, HoursView, ModerationChange, ModerationView,
    OptOutChange, OptOutView, check_people,
};
use super::retrieval::{self, Fusion};
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
    /// The model searches when it wants to, as often as it needs. One that takes no tools, such as
    /// `builtin`, gets the best passages in the prompt instead.
    Tool,
}

/// Where documents may be cut.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "ChunkMethod")]
#[serde(rename_all = "snake_case")]
enum Method {
    /// After as many tokens as fit, at the end of a word.
    Fixed,
    /// Between paragraphs; each heading starts a passage.
    Paragraph,
    /// At the highest boundary that leaves a passage at least half full.
    Recursive,
}

/// Who ranks the best passages again.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum Rerank {
    /// Nobody.
    Off,
    /// By how much of the question stands in a passage, and how close together.
    Builtin,
    /// A model at `rerank_url`.
    Provider,
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
    /// How documents are cut into passages.
    chunking: ChunkingView,
    /// What turns texts into vectors; `null`: what the platform has set up.
    embedding: Option<EmbeddingView>,
    /// What a calendar month (UTC) may cost.
    budget: BudgetView,
    /// When a conversation goes to a person, and when it comes back.
    handoff: HandoffView,
    /// When people are there.
    hours: HoursView,
    /// How contacts say that they want no more messages.
    opt_out: OptOutView,
    /// What is neither answered nor said.
    moderation: ModerationView,
    /// How old a message may be when it arrives and still be answered by the machine, in minutes; 0:
    /// any age.
    answer_within_minutes: u32,
    /// For how many days messages are kept; `null`: for ever.
    retention_days: Option<u32>,
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
    /// The tokens of context that an Ollama server at `base_url` gives the model; `null`: its own
    /// setting.
    context_tokens: Option<u32>,
    /// How long an Ollama server at `base_url` keeps the model loaded after an answer, in seconds;
    /// `null`: its own setting.
    keep_alive_seconds: Option<u32>,
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
            context_tokens: llm.context_tokens,
            keep_alive_seconds: llm.keep_alive_seconds,
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
    /// How both rankings become one.
    fusion: Fusion,
    /// Who ranks the best of them again.
    rerank: Rerank,
    /// Where the provider's reranker is; `/rerank` is added to it.
    rerank_url: Option<String>,
    /// The provider's name of the reranker's model.
    rerank_model: String,
    /// Passages that follow each other become one of up to this many tokens; 0 leaves them apart.
    passage_tokens: u32,
    /// Whether the tenant set a key to the reranker; the key itself never comes back.
    rerank_api_key_set: bool,
}

impl RetrievalView {
    fn new(retrieval: RetrievalSettings, secrets: &TenantSecrets) -> Self {
        Self {
            top_k: retrieval.top_k,
            keyword_weight: retrieval.keyword_weight,
            vector_weight: retrieval.vector_weight,
            min_similarity: retrieval.min_similarity,
            fusion: retrieval.fusion.into(),
            rerank: match retrieval.rerank {
                RerankMethod::Off => Rerank::Off,
                RerankMethod::Builtin => Rerank::Builtin,
                RerankMethod::Provider => Rerank::Provider,
            },
            rerank_url: retrieval.rerank_url.map(Into::into),
            rerank_model: retrieval.rerank_model,
            passage_tokens: retrieval.passage_tokens,
            rerank_api_key_set: secrets.rerank_api_key.is_some(),
        }
    }
}

/// How documents are cut into passages.
#[derive(Debug, Object)]
#[oai(rename = "ChunkingSettings")]
struct ChunkingView {
    /// Where cuts may fall.
    method: Method,
    /// The most tokens of a passage.
    max_tokens: u32,
    /// How many tokens at most a passage shares with the one before.
    overlap_tokens: u32,
}

impl SettingsView {
    pub(crate) fn new(settings: TenantSettings, secrets: &TenantSecrets) -> Self {
        let (llm, retrieval, chunking) = (settings.llm, settings.retrieval, settings.chunking);
        Self {
            settle_ms: settings.settle_ms,
            settle_max_ms: settings.settle_max_ms,
            llm: LlmView::new(llm, secrets),
            instructions: settings.instructions,
            history_messages: settings.history_messages,
            rag: match settings.rag {
                RagMode::Off => Rag::Off,
                RagMode::Context => Rag::Context,
                RagMode::Tool => Rag::Tool,
            },
            retrieval: RetrievalView::new(retrieval, secrets),
            fallback_text: settings.fallback_text,
            answer_deadline_seconds: settings.answer_deadline_seconds,
            webchat_origins: settings.webchat_origins,
            chunking: ChunkingView {
                method: match chunking.method {
                    ChunkMethod::Fixed => Method::Fixed,
                    ChunkMethod::Paragraph => Method::Paragraph,
                    ChunkMethod::Recursive => Method::Recursive,
                },
                max_tokens: chunking.max_tokens,
                overlap_tokens: chunking.overlap_tokens,
            },
            embedding: settings
                .embedding
                .map(|embedding| EmbeddingView::new(embedding, secrets)),
            budget: BudgetView::new(settings.budget),
            handoff: HandoffView::new(settings.handoff),
            hours: HoursView::new(settings.hours),
            opt_out: OptOutView::new(settings.opt_out),
            moderation: ModerationView::new(settings.moderation),
            answer_within_minutes: settings.answer_within_minutes,
            retention_days: settings.retention_days.map(u32::from),
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
    /// How documents are cut into passages; holds for those that are indexed from then on.
    chunking: Option<ChunkingChange>,
    /// What turns texts into vectors; `null`: what the platform has set up. Documents are embedded
    /// anew by another model before searches use it.
    embedding: Option<EmbeddingChange>,
    /// What a calendar month (UTC) may cost.
    budget: Option<BudgetChange>,
    /// When a conversation goes to a person, and when it comes back.
    handoff: Option<HandoffChange>,
    /// When people are there.
    hours: Option<HoursChange>,
    /// How contacts say that they want no more messages.
    opt_out: Option<OptOutChange>,
    /// What is neither answered nor said.
    moderation: Option<ModerationChange>,
    /// How old a message may be when it arrives and still be answered by the machine, in minutes, at
    /// most 43200; 0: any age. Default 360.
    answer_within_minutes: Option<u32>,
    /// For how many days messages are kept, 1 to 36500; `null`: for ever. Default `null`.
    retention_days: Option<u32>,
}

/// A change to who answers.
#[derive(Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct LlmChange {
    /// The provider: `builtin`, `openai`, `anthropic` or `ollama`. Default `builtin`.
    provider: Option<String>,
    /// The provider's name of the model; empty: the provider's default.
    model: Option<String>,
    /// Another address that speaks the provider's format.
    base_url: Option<String>,
    /// The most tokens an answer may take, 1 to 32000. Default 1024.
    max_output_tokens: Option<u32>,
    /// Sampling temperature, 0 to 2.
    temperature: Option<f32>,
    /// The tokens of context that an Ollama server at `base_url` gives the model, 256 to 2000000.
    context_tokens: Option<u32>,
    /// How long an Ollama server at `base_url` keeps the model loaded after an answer, in seconds,
    /// at most 604800; 0: not at all.
    keep_alive_seconds: Option<u32>,
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
#[derive(Object, Deserialize)]
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
    /// How both rankings become one. Default `weighted`.
    fusion: Option<Fusion>,
    /// Who ranks the best of them again. Default `off`.
    rerank: Option<Rerank>,
    /// Where `provider` is: an address to which `/rerank` is added, of Cohere's and Jina's form.
    rerank_url: Option<String>,
    /// The provider's name of the reranker's model.
    rerank_model: Option<String>,
    /// Passages that follow each other become one of up to this many tokens, at most 8000; 0 leaves
    /// them apart. Default 1024.
    passage_tokens: Option<u32>,
    /// The tenant's own key to the reranker. Never comes back; `null` takes it away.
    #[oai(write_only)]
    rerank_api_key: Option<String>,
}

impl std::fmt::Debug for RetrievalChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetrievalChange").finish_non_exhaustive()
    }
}

/// A change to how documents are cut into passages.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChunkingChange {
    /// Where cuts may fall. Default `recursive`.
    method: Option<Method>,
    /// The most tokens of a passage, as the embedding model counts them, 32 to 8192. Default 512.
    max_tokens: Option<u32>,
    /// How many tokens at most a passage shares with the one before, less than half of
    /// `max_tokens`. Default 64.
    overlap_tokens: Option<u32>,
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
        if takes_key(&mut raw, "retrieval", "rerank_api_key") {
            let key = self.retrieval.and_then(|change| change.rerank_api_key);
            let field = "settings.retrieval.rerank_api_key";
            secrets.rerank_api_key = key.map(|key| checks.text(field, &key, 2000));
        }
        if takes_key(&mut raw, "embedding", "api_key") {
            let key = self.embedding.and_then(|embedding| embedding.api_key);
            secrets.embedding_api_key =
                key.map(|key| checks.text("settings.embedding.api_key", &key, 2000));
        }
        if raw.get("embedding").is_some_and(Value::is_null) {
            secrets.embedding_api_key = None;
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

/// Takes a key out of a part of the body; tells whether it was there: only the body as sent tells
/// a missing key from `null`.
fn takes_key(raw: &mut Value, part: &str, key: &str) -> bool {
    let part = raw.get_mut(part).and_then(Value::as_object_mut);
    part.is_some_and(|part| part.shift_remove(key).is_some())
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
    let retrieval = &settings.retrieval;
    text("retrieval.rerank_model", &retrieval.rerank_model, 0, 200);
    let has_address = retrieval.rerank != RerankMethod::Provider || retrieval.rerank_url.is_some();
    checks.require(
        has_address,
        "settings.retrieval.rerank_url",
        "is needed for a provider's reranker",
    );
    let chunking = &settings.chunking;
    checks.require(
        chunking.overlap_tokens < chunking.max_tokens.div_ceil(2),
        "settings.chunking.overlap_tokens",
        "must be less than half of max_tokens",
    );
    if let Some(embedding) = &settings.embedding {
        embedding_settings::check(embedding, guard, checks);
    }
    check_fallbacks(&settings.llm.fallbacks, guard, checks);
    check_budget(&settings.budget, checks);
    check_people(settings, checks);
    check_addresses(settings, guard, checks);
}

fn check_numbers(settings: &TenantSettings, checks: &mut Checks) {
    let llm = &settings.llm;
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
        (
            "retrieval.passage_tokens",
            settings.retrieval.passage_tokens,
            0,
            8000,
        ),
        ("llm.max_output_tokens", llm.max_output_tokens, 1, 32_000),
        (
            "chunking.max_tokens",
            settings.chunking.max_tokens,
            32,
            8192,
        ),
    ] {
        number(field, value.into(), low.into(), high.into());
    }
    if let Some(temperature) = llm.temperature {
        number("llm.temperature", temperature.into(), 0.0, 2.0);
    }
    if let Some(tokens) = llm.context_tokens {
        number("llm.context_tokens", tokens.into(), 256.0, 2_000_000.0);
    }
    if let Some(seconds) = llm.keep_alive_seconds {
        number("llm.keep_alive_seconds", seconds.into(), 0.0, 604_800.0);
    }
    retrieval::check(&settings.retrieval, "settings.retrieval.", checks);
}

fn check_addresses(settings: &TenantSettings, guard: &Guard, checks: &mut Checks) {
    for (field, url) in [
        ("settings.llm.base_url", &settings.llm.base_url),
        (
            "settings.retrieval.rerank_url",
            &settings.retrieval.rerank_url,
        ),
    ] {
        check_address(field, url.as_ref(), guard, checks);
    }
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
            rerank_api_key: None,
            embedding_api_key: Some("old-too".to_owned()),
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
        let raw = json!({"retrieval": {"rerank_api_key": "rk-new"}});
        let (set, _) = change(&mut settings, &raw);
        assert_eq!(set.rerank_api_key.as_deref(), Some("rk-new"));
        assert_eq!(set.llm_api_key.as_deref(), Some("old"));
        assert!(!serde_json::to_string(&settings).unwrap().contains("rk-new"));
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
}

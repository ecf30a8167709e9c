use std::collections::HashMap;

use domain::TenantSettings;
use outbound::Guard;
use poem_openapi::Object;
use serde::Deserialize;
use serde_json::Value;
use store::tenants::TenantSecrets;

use super::budget::BudgetChange;
use super::check::check;
use super::embedding::EmbeddingChange;
use super::keys::{Named, Receivers, check_receivers};
use super::llm::{LlmChoiceChange, apply_keys};
use super::moderation::{ModerationChange, check_secret};
use super::people::{HandoffChange, HoursChange, OptOutChange};
use super::{Method, Rag, Rerank};
use crate::payload::Checks;
use crate::routes::retrieval::Fusion;

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
    /// The most tokens that they may take, at most 2000000; `null`: as many as fit into the model's
    /// context beside the rest. Default `null`.
    history_tokens: Option<u32>,
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
    /// The provider: `builtin`, `openai`, `anthropic` or `ollama`. Default `builtin`. A change of it
    /// without a new `api_key` takes the old one away.
    provider: Option<String>,
    /// The provider's name of the model; empty: the provider's default.
    model: Option<String>,
    /// Another address that speaks the provider's format. A change to another scheme, host or port
    /// without a new `api_key` takes the old one away.
    base_url: Option<String>,
    /// The most tokens an answer may take, 1 to 32000. Default 1024.
    max_output_tokens: Option<u32>,
    /// Sampling temperature, 0 to 2.
    temperature: Option<f32>,
    /// The tokens that the model at `base_url` takes at once, 256 to 2000000: an Ollama server is
    /// told to give it so many, of others it is taken as said. Not set: the server's own setting,
    /// or what is known of the model.
    context_tokens: Option<u32>,
    /// How long an Ollama server at `base_url` keeps the model loaded after an answer, in seconds,
    /// at most 604800; 0: not at all.
    keep_alive_seconds: Option<u32>,
    /// The tenant's own key to the provider, for it and its address alone. Never comes back; `null`
    /// takes it away.
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
    /// Where `provider` is: an address to which `/rerank` is added, of Cohere's and Jina's form. A
    /// change to another scheme, host or port without a new `rerank_api_key` takes the old one away.
    rerank_url: Option<String>,
    /// The provider's name of the reranker's model.
    rerank_model: Option<String>,
    /// Passages that follow each other become one of up to this many tokens, at most 8000; 0 leaves
    /// them apart. Default 1024.
    passage_tokens: Option<u32>,
    /// The tenant's own key to the reranker at `rerank_url`, for that address alone. Never comes back;
    /// `null` takes it away.
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
        let receivers = Receivers::of(settings);
        let named = self.take_keys(&mut raw, secrets, checks);
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
        receivers.keep_to(settings, named, secrets);
        check_receivers(settings, secrets, named, checks);
        check_secret(&settings.moderation, named.moderation, secrets, checks);
        check(settings, guard, checks);
    }

    /// Takes the keys out of the change and of its body as sent, which alone tells a missing key from
    /// `null`; says which there were.
    fn take_keys(self, raw: &mut Value, secrets: &mut TenantSecrets, checks: &mut Checks) -> Named {
        let named = Named {
            llm: takes_key(raw, "llm", "api_key"),
            embedding: takes_key(raw, "embedding", "api_key"),
            rerank: takes_key(raw, "retrieval", "rerank_api_key"),
            moderation: takes_key(raw, "moderation", "secret"),
        };
        takes_key(raw, "llm", "api_keys");
        let (mut llm_key, mut by_account) = (None, None);
        if let Some(llm) = self.llm {
            (llm_key, by_account) = (llm.api_key, llm.api_keys);
        }
        let mut checked = |field: &str, key: Option<String>| {
            key.map(|key| checks.text(&format!("settings.{field}"), &key, 2000))
        };
        if named.llm {
            secrets.llm_api_key = checked("llm.api_key", llm_key);
        }
        if named.embedding {
            let key = self.embedding.and_then(|embedding| embedding.api_key);
            secrets.embedding_api_key = checked("embedding.api_key", key);
        }
        if named.rerank {
            let key = self.retrieval.and_then(|change| change.rerank_api_key);
            secrets.rerank_api_key = checked("retrieval.rerank_api_key", key);
        }
        if named.moderation {
            let secret = self.moderation.and_then(|change| change.secret);
            secrets.moderation_secret = checked("moderation.secret", secret);
        }
        apply_keys(by_account.unwrap_or_default(), secrets, checks);
        named
    }
}

/// Takes a key out of a part of the body; tells whether it was there.
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

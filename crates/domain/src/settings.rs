use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{BusinessHours, HandoffSettings, ModerationSettings, OptOutSettings, WhenSpent};

/// What a tenant may set and read back. Secrets are kept apart, sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    /// How long a burst of messages is let settle before it is answered as one turn, in
    /// milliseconds; 0 answers at once. Default 2000.
    pub settle_ms: u32,
    /// The longest a burst may keep its first message waiting, in milliseconds. Default 6000.
    pub settle_max_ms: u32,
    /// Who answers.
    pub llm: LlmSettings,
    /// What the tenant tells the model about itself and its manner.
    pub instructions: String,
    /// How many earlier messages the model sees. Default 10.
    pub history_messages: u32,
    /// The most tokens that they may take; `None`: as many as fit beside the rest.
    pub history_tokens: Option<u32>,
    /// How documents reach the model.
    pub rag: RagMode,
    /// How passages are found and ranked.
    pub retrieval: RetrievalSettings,
    /// What the customer reads when no answer could be made in time.
    pub fallback_text: String,
    /// How long making an answer may take, in seconds, before the fallback is sent. Default 60.
    pub answer_deadline_seconds: u32,
    /// Origins that may open a web chat, for example `https://shop.example`; empty: any.
    pub webchat_origins: Vec<String>,
    /// How documents are cut into passages; holds for those that are indexed from then on.
    pub chunking: ChunkingSettings,
    /// What turns texts into vectors; `None`: what the platform has set up.
    pub embedding: Option<EmbeddingSettings>,
    /// What a month may cost.
    pub budget: BudgetSettings,
    /// When a conversation goes to a person, and when it comes back.
    pub handoff: HandoffSettings,
    /// When people are there.
    pub hours: BusinessHours,
    /// How contacts say that they want no more messages.
    pub opt_out: OptOutSettings,
    /// What is neither answered nor said.
    pub moderation: ModerationSettings,
    /// How old a message may be when it arrives and still be answered by the machine, in minutes; 0:
    /// any age. Default 360.
    pub answer_within_minutes: u32,
    /// For how many days messages are kept; `None`: for ever.
    pub retention_days: Option<NonZeroU32>,
}

impl TenantSettings {
    /// The most that `answer_deadline_seconds` may be.
    pub const LONGEST_ANSWER_SECONDS: u32 = 600;
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            settle_ms: 2000,
            settle_max_ms: 6000,
            llm: LlmSettings::default(),
            instructions: String::new(),
            history_messages: 10,
            history_tokens: None,
            rag: RagMode::Context,
            retrieval: RetrievalSettings::default(),
            fallback_text: "I can't answer right now. Please try again later.".to_owned(),
            answer_deadline_seconds: 60,
            webchat_origins: Vec::new(),
            chunking: ChunkingSettings::default(),
            embedding: None,
            budget: BudgetSettings::default(),
            handoff: HandoffSettings::default(),
            hours: BusinessHours::default(),
            opt_out: OptOutSettings::default(),
            moderation: ModerationSettings::default(),
            answer_within_minutes: 360,
            retention_days: None,
        }
    }
}

/// Which model answers, and where it is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LlmSettings {
    /// The provider's name: `builtin`, `openai`, `anthropic`, `ollama`.
    pub provider: String,
    /// The provider's name of the model; empty: the provider's default.
    pub model: String,
    /// Another address that speaks the provider's format.
    pub base_url: Option<Url>,
    /// The most tokens an answer may take. Default 1024.
    pub max_output_tokens: u32,
    /// Sampling temperature, for models that take one.
    pub temperature: Option<f32>,
    /// The tokens that the model at `base_url` takes at once: an Ollama server is told to give it so
    /// many, of others it is taken as said. Not set: the server's own setting, or what is known of
    /// the model.
    pub context_tokens: Option<u32>,
    /// How long an Ollama server at `base_url` keeps the model loaded after an answer, in seconds;
    /// not set: its own setting.
    pub keep_alive_seconds: Option<u32>,
    /// Who answers instead, in this order, when the one before cannot; empty: nobody.
    pub fallbacks: Vec<LlmChoice>,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            provider: "builtin".to_owned(),
            model: String::new(),
            base_url: None,
            max_output_tokens: 1024,
            temperature: None,
            context_tokens: None,
            keep_alive_seconds: None,
            fallbacks: Vec::new(),
        }
    }
}

impl LlmSettings {
    /// Who answers, in order: the chosen one, then its fallbacks.
    pub fn chain(&self) -> Vec<LlmChoice> {
        let first = LlmChoice {
            provider: self.provider.clone(),
            model: self.model.clone(),
            base_url: self.base_url.clone(),
        };
        let mut chain = vec![first];
        chain.extend(self.fallbacks.iter().cloned());
        chain
    }
}

/// One model, and where it is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct LlmChoice {
    /// The provider's name: `builtin`, `openai`, …
    pub provider: String,
    /// The provider's name of the model; empty: the provider's default.
    pub model: String,
    /// Another address that speaks the provider's format.
    pub base_url: Option<Url>,
}

impl LlmChoice {
    /// Whom a key belongs to and a bill comes from: the provider, or, at another address,
    /// `<provider>@<host>`, with the port if the address names one.
    pub fn account(&self) -> String {
        let provider = &self.provider;
        let Some(url) = &self.base_url else {
            return provider.clone();
        };
        let host = url.host_str().unwrap_or_default();
        match url.port() {
            Some(port) => format!("{provider}@{host}:{port}"),
            None => format!("{provider}@{host}"),
        }
    }
}

/// What a calendar month (UTC) may cost, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BudgetSettings {
    /// The most a month may cost, in micro-dollars; `None`: whatever it costs. Default none.
    pub monthly_microdollars: Option<i64>,
    /// The share of it that is warned of, in percent, 1 to 100. Default 80.
    pub warn_percent: u8,
    /// What happens once it is spent.
    pub when_spent: WhenSpent,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            monthly_microdollars: None,
            warn_percent: 80,
            when_spent: WhenSpent::Stop,
        }
    }
}

/// How documents reach the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RagMode {
    /// Not at all.
    Off,
    /// The best passages stand in the prompt.
    Context,
    /// The model searches when it wants to, as often as it needs; one that takes no tools gets the
    /// passages in the prompt.
    Tool,
}

/// How passages are found and ranked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetrievalSettings {
    /// How many passages an answer may draw on. Default 5.
    pub top_k: u32,
    /// Weight of the keyword score in the fused one. Default 0.3.
    pub keyword_weight: f64,
    /// Weight of the vector score in the fused one. Default 0.7.
    pub vector_weight: f64,
    /// Passages with a lower cosine similarity count as not found by vector. Default 0.2.
    pub min_similarity: f64,
    /// How both rankings become one.
    pub fusion: FusionMethod,
    /// Who ranks the best of them again.
    pub rerank: RerankMethod,
    /// Where `RerankMethod::Provider` is: an address whose `/rerank` takes a question and documents,
    /// as those of Cohere and Jina do.
    pub rerank_url: Option<Url>,
    /// That provider's name of the model.
    pub rerank_model: String,
    /// Passages that follow each other become one of up to this many tokens; 0 leaves them apart.
    /// Default 1024.
    pub passage_tokens: u32,
}

/// How the keyword ranking and the vector ranking become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FusionMethod {
    /// By the weighted mean of their scores.
    #[default]
    Weighted,
    /// By the sum of their reciprocal ranks.
    Rrf,
}

/// Who ranks the best passages again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerankMethod {
    /// Nobody.
    #[default]
    Off,
    /// By how much of the question stands in a passage, and how close together.
    Builtin,
    /// A model at `rerank_url`.
    Provider,
}

impl Default for RetrievalSettings {
    fn default() -> Self {
        Self {
            top_k: 5,
            keyword_weight: 0.3,
            vector_weight: 0.7,
            min_similarity: 0.2,
            fusion: FusionMethod::Weighted,
            rerank: RerankMethod::Off,
            rerank_url: None,
            rerank_model: String::new(),
            passage_tokens: 1024,
        }
    }
}

/// How documents are cut into passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunkingSettings {
    /// Where cuts may fall. Default recursive.
    pub method: ChunkMethod,
    /// The most tokens of a passage, as the embedding model counts them. Default 512.
    pub max_tokens: u32,
    /// How many tokens at most a passage shares with the one before. Default 64.
    pub overlap_tokens: u32,
}

impl Default for ChunkingSettings {
    fn default() -> Self {
        Self {
            method: ChunkMethod::Recursive,
            max_tokens: 512,
            overlap_tokens: 64,
        }
    }
}

/// Where a text may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkMethod {
    /// After as many tokens as fit, at the end of a word; pages and headings do not matter.
    Fixed,
    /// Between paragraphs, as many of which as fit are a passage; each heading starts one.
    Paragraph,
    /// At the highest boundary that leaves a passage at least half full: heading, paragraph, line,
    /// sentence, word.
    Recursive,
}
/// Which model turns texts into vectors, and where it is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddingSettings {
    /// The provider's name: `builtin`, `local`, `openai`, …
    pub provider: String,
    /// The provider's name of the model; empty: the provider's default.
    pub model: String,
    /// How many numbers a vector has; `None`: as many as the model makes by itself.
    pub dimensions: Option<NonZeroU32>,
    /// Another address that speaks the provider's format.
    pub base_url: Option<Url>,
}

impl Default for EmbeddingSettings {
    fn default() -> Self {
        Self {
            provider: "builtin".to_owned(),
            model: String::new(),
            dimensions: None,
            base_url: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_begins_with_the_times_and_the_history_that_are_documented() {
        let TenantSettings {
            settle_ms,
            settle_max_ms,
            history_messages,
            ..
        } = TenantSettings::default();
        assert_eq!(
            (settle_ms, settle_max_ms, history_messages),
            (2000, 6000, 10)
        );
    }

    #[test]
    fn settings_from_before_fallbacks_and_budgets_are_read() {
        let old = r#"{"llm": {"provider": "openai", "model": "m"}, "settle_ms": 5}"#;
        let settings: TenantSettings = serde_json::from_str(old).unwrap();
        assert_eq!(settings.llm.chain().len(), 1);
        assert_eq!(settings.budget, BudgetSettings::default());
    }

    #[test]
    fn an_account_is_a_provider_at_an_address() {
        let at = |base_url: Option<&str>| {
            let choice = LlmChoice {
                provider: "openai".to_owned(),
                model: "m".to_owned(),
                base_url: base_url.map(|url| url.parse().unwrap()),
            };
            choice.account()
        };
        assert_eq!(at(None), "openai");
        assert_eq!(
            at(Some("https://LLM.example/v1?key=x")),
            "openai@llm.example"
        );
        assert_eq!(at(Some("http://[::1]:8000/v1")), "openai@[::1]:8000");
    }
}

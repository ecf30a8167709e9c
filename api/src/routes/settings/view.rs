use domain::{ChunkMethod, LlmSettings, RagMode, RerankMethod, RetrievalSettings, TenantSettings};
use poem_openapi::Object;
use store::tenants::TenantSecrets;

use super::budget::BudgetView;
use super::embedding::EmbeddingView;
use super::llm::LlmChoiceView;
use super::moderation::ModerationView;
use super::people::{HandoffView, HoursView, OptOutView};
use super::{Method, Rag, Rerank};
use crate::routes::retrieval::Fusion;

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
    /// The most tokens that they may take; `null`: as many as fit into the model's context beside the
    /// rest.
    history_tokens: Option<u32>,
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
    /// The tokens that the model at `base_url` takes at once; `null`: the server's own setting, or
    /// what is known of the model.
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
            history_tokens: settings.history_tokens,
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
            moderation: ModerationView::new(settings.moderation, secrets),
            answer_within_minutes: settings.answer_within_minutes,
            retention_days: settings.retention_days.map(u32::from),
        }
    }
}

//! Language models behind one interface: provider, wire format and capability kept apart.
//!
//! [`Model`] streams an answer to a [`Request`]; [`Models`] finds the one a tenant's settings name.
//! A provider that speaks a known format is a row in [`PROVIDERS`], a format is a file in `wire`,
//! and whatever applies to all of them is a wrapper over the same trait, as [`Retry`] is. The
//! [`manager`] makes one model of a tenant's choice and its fallbacks; [`Prices`] says what a call
//! costs.
//! [`Builtin`] answers with no provider at all, [`Scripted`] is the double for tests.
//!
//! [`Embedder`] turns texts into vectors, and [`Embedders`] finds the one a tenant's settings name.

mod builtin;
mod context;
mod embed;
mod endpoint;
mod error;
mod failure;
mod listing;
pub mod manager;
mod model;
mod models;
mod prices;
mod providers;
mod rate_limits;
mod request;
mod rerank;
mod retry;
mod scripted;
mod timeouts;
mod wire;

pub use builtin::Builtin;
pub use context::ModelContext;
#[cfg(feature = "local-embeddings")]
pub use embed::LocalEmbeddings;
pub use embed::{
    Embedded, Embedder, Embedders, HashedNgrams, LocalModel, OllamaEmbeddings, OpenAiEmbeddings,
    Payer, PlatformEmbedding, RetryEmbeddings,
};
pub use error::{Cause, Error, Phase};
pub use listing::ListedModel;
pub use model::{Completion, Event, EventStream, FinishReason, Model, Usage};
pub use models::{Models, PlatformProviders};
pub use prices::{InvalidPrices, Prices};
pub use providers::{
    Auth, Capabilities, ModelRules, OutputLimit, PROVIDERS, Provider, ToolRule, Wire,
};
pub use request::{
    Image, ImageFormat, Message, OutputSchema, Replay, Request, Role, SourcePassage, Tool,
    ToolCall, ToolChoice,
};
pub use rerank::RerankClient;
pub use retry::{Retry, RetryPolicy};
pub use scripted::{Reply, Scripted};
pub use timeouts::Timeouts;

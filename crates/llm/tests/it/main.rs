//! Models against real sockets on the loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod anthropic;
mod closing;
mod connecting;
mod cuts;
mod embedders;
mod embeddings;
mod endpoints;
mod fallbacks;
#[cfg(feature = "local-embeddings")]
mod local_embeddings;
mod manager;
mod matrix;
mod ollama;
mod openai_chat;
mod openai_failures;
mod openai_responses;
#[cfg(test)]
mod peers;
mod provider;
mod rerank;
mod retry;

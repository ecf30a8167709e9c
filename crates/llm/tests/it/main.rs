//! Models against real sockets on the loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod embedders;
mod embeddings;
mod endpoints;
#[cfg(feature = "local-embeddings")]
mod local_embeddings;
mod openai_chat;
mod openai_failures;
mod retry;
mod server;

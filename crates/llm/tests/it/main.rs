//! Models against real sockets on the loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod embeddings;
mod endpoints;
mod manager;
mod openai_chat;
mod openai_failures;
mod retry;
mod server;

//! Models against real sockets on the loopback.

mod embeddings;
mod endpoints;
mod openai_chat;
mod openai_failures;
mod retry;
mod server;

//! The API over a database of each test's own.

mod documents;
mod idempotency;
mod isolation;
mod keys;
mod openapi;
mod problems;
mod resources;
mod server;

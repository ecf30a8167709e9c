//! The tables as the application meets them: by its own roles, behind row-level security.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share fails as they do"
)]

mod channels;
mod conversations;
mod deliveries;
mod documents;
mod embedding_cache;
mod idempotency;
mod parked_changes;
mod schema;
mod spending;
mod tenancy;
mod tenants;
mod webchat;
mod world;

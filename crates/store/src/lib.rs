//! The domain's SQL, one module for each table.
//!
//! Functions of tenant tables take a [`db::TenantTx`] and pass the tenant id explicitly as well:
//! with row-level security alone the planner chooses worse plans. The few that take a
//! [`db::SystemTx`] cross tenants on purpose.

pub mod api_keys;
pub mod budget_notices;
pub mod channels;
pub mod chunk_embeddings;
pub mod chunks;
pub mod contact_erasures;
pub mod contacts;
pub mod conversations;
pub mod document_sources;
pub mod document_versions;
pub mod documents;
pub mod dropped_files;
pub mod embedding_cache;
pub mod embedding_sets;
pub mod eval_questions;
pub mod eval_results;
pub mod eval_runs;
pub mod idempotency_keys;
pub mod kept_files;
pub mod keyword_index;
pub mod message_files;
pub mod messages;
pub mod model_calls;
pub mod parked_changes;
pub mod parked_statuses;
pub mod presences;
pub mod provider_checks;
pub mod provider_health;
pub mod provider_reports;
pub mod raw_items;
pub mod search;
pub mod tenants;
pub mod webchat_attachments;
pub mod webchat_identity_secrets;
pub mod webchat_sessions;
pub mod webhook_deliveries;
pub mod webhook_endpoints;

pub use db::{Error, Result};

/// How many rows to ask for to fill a page of `limit` and see whether there is more.
fn probe(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

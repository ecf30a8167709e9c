//! The use cases: what happens when a message comes in, a turn is answered, an answer goes out, a
//! document is read, and what it costs. The only crate that composes channels, retrieval, models, events and jobs.

pub mod answer;
pub mod channel_health;
pub mod connections;
mod context;
pub mod deliver;
pub mod dropped_files;
mod error;
pub mod evals;
pub mod ingest;
pub mod people;
pub mod provider_checks;
pub mod providers;
pub mod receive;
pub mod spending;
pub mod stray_files;
mod tenant;
pub mod tools;
pub mod webchat;

pub use connections::connect;
pub use context::{Assistant, MetaPlatform, Retention, Settings, WebchatCaps};
pub use error::Error;
pub use tenant::TenantProfile;

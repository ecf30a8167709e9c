//! The settings of a process: read once at the start, from the environment and `.env`.
//!
//! [`Config::load`] reports every problem at once. Each section's fields say what they mean; the same
//! words make `docs/configuration.md` and `.env.example`, through [`reference`].

mod allow;
mod load;
mod reference;
mod section;
mod sections;
mod value;

pub use allow::{AllowRule, InvalidAllowRule};
pub use load::{Config, ConfigError, Problem};
pub use reference::{SectionReference, Variable, env_example, markdown, reference};
pub use sections::{
    Database, Embedding, EmbeddingProvider, Jobs, Keys, Live, Log, LogFormat, Meta, Models,
    Outbound, Retention, Server, Spending, Testing, Webchat,
};

//! A tenant's settings, as they are shown and as they are changed.

mod budget;
mod change;
mod check;
mod embedding;
mod keys;
mod llm;
mod moderation;
mod people;
#[cfg(test)]
mod tests;
mod view;

use poem_openapi::Enum;
use serde::Deserialize;

pub(crate) use budget::{BudgetView, WhenSpent};
pub(crate) use change::SettingsChange;
pub(crate) use view::SettingsView;

/// How documents reach the model.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rag {
    /// Not at all.
    Off,
    /// The best passages stand in the prompt.
    Context,
    /// The model searches when it wants to, as often as it needs. One that takes no tools, such as
    /// `builtin`, gets the best passages in the prompt instead.
    Tool,
}

/// Where documents may be cut.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "ChunkMethod")]
#[serde(rename_all = "snake_case")]
enum Method {
    /// After as many tokens as fit, at the end of a word.
    Fixed,
    /// Between paragraphs; each heading starts a passage.
    Paragraph,
    /// At the highest boundary that leaves a passage at least half full.
    Recursive,
}

/// Who ranks the best passages again.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum Rerank {
    /// Nobody.
    Off,
    /// By how much of the question stands in a passage, and how close together.
    Builtin,
    /// A model at `rerank_url`.
    Provider,
}

//! What a model may call while it answers.
//!
//! A tool is a file here and a line in [`Registry::builtin`]. Whose data a tool meets comes from the
//! job that answers, in [`ToolContext`], and never from the arguments: those are what the model wrote,
//! and the model may repeat what stands in a document. Whatever goes wrong with a call is told to the
//! model as a text, so that it can do better; it never ends the turn.

mod arguments;
mod hand_off;
mod passages;
mod registry;
mod search_knowledge_base;

use std::time::Duration;

use domain::{RetrievalSettings, TenantId};
use serde_json::Value;

use crate::Assistant;
use crate::spending::Calls;

pub(crate) use hand_off::NAME as HAND_OFF;
pub(crate) use passages::quote;
pub(crate) use search_knowledge_base::NAME as SEARCH_KNOWLEDGE_BASE;

pub use hand_off::HandOff;
pub use passages::Sources;
pub use registry::{InvalidTool, Registry};
pub use search_knowledge_base::SearchKnowledgeBase;

/// Something that a model may call.
#[async_trait::async_trait]
pub trait Tool: Send + Sync {
    /// Its name: letters, digits and `_`, at most 64. Never changes.
    fn name(&self) -> &'static str;

    /// When and what for, as the model reads it.
    fn description(&self) -> &'static str;

    /// The JSON schema of its arguments, an object.
    fn parameters(&self) -> Value;

    /// How long a call may take.
    fn timeout(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Does what was asked for, by arguments that fit the schema; the text goes to the model.
    ///
    /// # Errors
    /// [`ToolError`] with a sentence for the model.
    async fn run(
        &self,
        context: &mut ToolContext<'_>,
        arguments: Value,
    ) -> Result<String, ToolError>;
}

/// What a call works on.
pub struct ToolContext<'a> {
    /// The use cases.
    pub assistant: &'a Assistant,
    /// Whose answer it is: a tool meets nothing of anybody else's.
    pub tenant: TenantId,
    /// Where calls to models are noted.
    pub calls: &'a Calls,
    /// How passages are found.
    pub retrieval: &'a RetrievalSettings,
    /// The passages that the answer may cite; what a tool finds is added here.
    pub sources: &'a mut Sources,
    /// Why the model asks for a person, once it does: there is no answer of its own then.
    pub hand_off: &'a mut Option<String>,
    /// Whether anything was searched for.
    pub has_searched: &'a mut bool,
}

/// Why a call came to nothing, as a sentence for the model.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

use serde::{Deserialize, Serialize};

use crate::{ChunkId, DocumentId};

/// A passage that a question is expected to find: of a document, with certain words, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSource {
    /// The document it stands in; `None`: any.
    pub document_id: Option<DocumentId>,
    /// Words it holds; `None`: any.
    pub text: Option<String>,
}

/// A passage that a question of an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalFound {
    /// Its document.
    pub document_id: DocumentId,
    /// The passage itself.
    pub chunk_id: ChunkId,
    /// The document's title, or its name.
    pub title: String,
    /// The page it starts on, from 1.
    pub page: Option<i32>,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Whether it is one that was expected.
    pub expected: bool,
    /// The start of its text.
    pub excerpt: String,
}

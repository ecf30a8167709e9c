use serde::{Deserialize, Serialize};

use crate::{ChunkId, DocumentId};

/// A passage that an answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The number the answer cites it by, from 1.
    pub number: u32,
    /// Its document.
    pub document_id: DocumentId,
    /// The passage itself.
    pub chunk_id: ChunkId,
    /// The document's title, or its file name.
    pub title: String,
    /// The page it starts on, from 1, where the document has pages.
    pub page: Option<i32>,
    /// The heading it stands under.
    pub heading: Option<String>,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// The start of its text.
    pub excerpt: String,
}

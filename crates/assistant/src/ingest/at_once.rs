use std::sync::Arc;

use db::TenantTx;
use domain::{BudgetSettings, CallPurpose, TenantId};
use llm::Embedder;
use store::chunk_embeddings;
use store::chunks::NewChunk;
use store::embedding_sets::{self, EmbeddingSet, IndexStatus};

use super::embed::text_for_model;
use super::sets;
use crate::Assistant;
use crate::spending::{About, Calls};

/// Makes vectors in the very transactions that write their chunks: where the embedder is done sooner
/// than a job for it would be handed out.
pub(super) struct AtOnce {
    assistant: Assistant,
    embedder: Arc<dyn Embedder>,
    about: About,
    set: i64,
}

/// The vectors of some chunks, in their order.
pub(super) struct Made {
    vectors: Vec<Vec<f32>>,
    calls: Calls,
}

impl AtOnce {
    /// `None` where jobs make the vectors: if that takes a call of somebody else's, if two sets want
    /// vectors, or if each must find its place in an index.
    pub(super) fn for_sets(
        assistant: &Assistant,
        (tenant, budget): (TenantId, BudgetSettings),
        embedder: &Arc<dyn Embedder>,
        sets: &[EmbeddingSet],
    ) -> Option<Self> {
        let only = only_unindexed(sets)?;
        if embedder.is_worth_keeping() || !only.is_by(&sets::maker(&**embedder, None)) {
            return None;
        }
        let about = About {
            tenant,
            purpose: CallPurpose::Embedding,
            conversation: None,
            budget,
        };
        Some(Self {
            assistant: assistant.clone(),
            embedder: Arc::clone(embedder),
            about,
            set: only.id,
        })
    }

    /// Makes the vectors of chunks; `None` if it fails, which a job will see too, and can tell.
    pub(super) async fn embed(&self, chunks: &[NewChunk]) -> Option<Made> {
        let texts: Vec<String> = chunks
            .iter()
            .map(|chunk| text_for_model(chunk.heading.as_deref(), &chunk.text))
            .collect();
        let calls = Calls::begin(&self.assistant, self.about);
        let embedded = calls
            .embed(CallPurpose::Embedding, &*self.embedder, &texts, None)
            .await;
        let vectors = embedded.ok()?.vectors;
        (vectors.len() == chunks.len()).then_some(Made { vectors, calls })
    }

    /// Stores the vectors of chunks that this transaction wrote, if the set is still the only one and
    /// not indexed; tells whether it did.
    pub(super) async fn store(
        &self,
        tx: &mut TenantTx,
        chunks: &[NewChunk],
        made: Made,
    ) -> db::Result<bool> {
        let active = embedding_sets::hold_active(tx).await?;
        let Some(only) = only_unindexed(&active).filter(|only| only.id == self.set) else {
            return Ok(false);
        };
        let ids = chunks.iter().map(|chunk| chunk.id);
        let rows = ids.zip(made.vectors).collect();
        chunk_embeddings::insert_many(tx, only, rows).await?;
        made.calls.record(tx).await?;
        Ok(true)
    }
}

/// The set that takes vectors, if there is just one and none of them has to find its place in an index.
fn only_unindexed(sets: &[EmbeddingSet]) -> Option<&EmbeddingSet> {
    match sets {
        [only] if only.index_status == IndexStatus::Absent => Some(only),
        _ => None,
    }
}

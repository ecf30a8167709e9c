//! Which sets of vectors a tenant has, and who makes the vectors of each.

use std::sync::Arc;

use db::TenantTx;
use domain::TenantId;
use jobs::kinds::EmbedChunk;
use llm::Embedder;
use store::embedding_sets::{self, EmbeddingSet, Maker};
use store::{chunks, embedding_sets as sets};

use super::{RUN, as_i32};
use crate::Assistant;

/// The set that the platform's embedder wants.
pub(super) fn maker(embedder: &dyn Embedder) -> Maker<'_> {
    Maker {
        provider: embedder.provider(),
        model: embedder.model(),
        dimensions: as_i32(embedder.dimensions()),
    }
}

/// The embedder that makes the vectors of a set: the platform's, or, while its model is being
/// changed, the one it had before.
///
/// # Errors
/// `Misconfigured` if the platform cannot call that provider any more.
pub(super) fn embedder_of(
    assistant: &Assistant,
    set: &EmbeddingSet,
) -> Result<Arc<dyn Embedder>, llm::Error> {
    if set.is_by(&maker(&*assistant.embedder)) {
        return Ok(Arc::clone(&assistant.embedder));
    }
    let dimensions = usize::try_from(set.dimensions).unwrap_or_default();
    assistant
        .models
        .embedder(&set.provider, &set.model, dimensions)
}

/// The live set, made if there is none, and the one being built.
///
/// # Errors
/// Those of the database.
pub(super) async fn active(
    assistant: &Assistant,
    tenant: TenantId,
) -> db::Result<Vec<EmbeddingSet>> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let active = sets::list_active(&mut tx).await?;
    if !active.is_empty() {
        return Ok(active);
    }
    let active = ensure(assistant, &mut tx).await?;
    tx.commit().await?;
    Ok(active)
}

/// Makes sure of a live set, and holds it until the end of the transaction.
///
/// # Errors
/// Those of the database.
pub(super) async fn ensure(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> db::Result<Vec<EmbeddingSet>> {
    sets::ensure_live(tx, &maker(&*assistant.embedder)).await
}

/// Begins a set beside the live one if the platform's embedder is another one, and enqueues the
/// embedding of every version that is there; tells whether it did.
///
/// # Errors
/// Those of the database.
pub(super) async fn begin_if_changed(assistant: &Assistant, tx: &mut TenantTx) -> db::Result<bool> {
    let tenant = tx.tenant();
    let begun = embedding_sets::begin_building(tx, &maker(&*assistant.embedder)).await?;
    let Some(set) = begun else {
        return Ok(false);
    };
    for version in chunks::list_versions(tx).await? {
        enqueue_runs(tx, tenant, version).await?;
    }
    tracing::info!(tenant.id = %tenant, model = set.model,
        "the vectors are made anew by another model");
    Ok(true)
}

/// Enqueues the embedding of one version, run by run.
pub(super) async fn enqueue_runs(
    tx: &mut TenantTx,
    tenant: TenantId,
    version: chunks::Version,
) -> db::Result<()> {
    let mut runs = Vec::new();
    for first in (0..version.chunk_count).step_by(RUN) {
        runs.push(EmbedChunk {
            tenant_id: tenant,
            document_id: version.document_id,
            version: version.version,
            first,
            count: as_i32(RUN).min(version.chunk_count - first),
        });
    }
    jobs::enqueue_many(tx, &runs).await
}

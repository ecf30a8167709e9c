//! Which sets of vectors a tenant has, and who makes the vectors of each.

use std::ops::Range;
use std::sync::Arc;

use db::TenantTx;
use domain::{DocumentId, EmbeddingSettings};
use jobs::Failure;
use jobs::kinds::EmbedChunk;
use llm::Embedder;
use store::embedding_sets::{self, EmbeddingSet, Maker};
use store::{chunks, embedding_sets as sets};

use super::{RUN, as_i32};
use crate::{Assistant, TenantProfile};

/// The set that an embedder wants.
pub(super) fn maker(embedder: &dyn Embedder) -> Maker<'_> {
    Maker {
        provider: embedder.provider(),
        model: embedder.model(),
        dimensions: as_i32(embedder.dimensions()),
    }
}

/// The embedder that a tenant wants now: the one that it set, else the platform's.
///
/// # Errors
/// A retry for what may pass; death for settings that lead to no embedder.
pub(super) async fn wanted(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> Result<Arc<dyn Embedder>, Failure> {
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    wanted_by(assistant, &profile)
}

/// The same of a tenant that is loaded.
///
/// # Errors
/// Death for settings that lead to no embedder.
pub(super) fn wanted_by(
    assistant: &Assistant,
    profile: &TenantProfile,
) -> Result<Arc<dyn Embedder>, Failure> {
    of_settings(assistant, profile).map_err(|error| Failure::dead(error.to_string()))
}

fn of_settings(
    assistant: &Assistant,
    profile: &TenantProfile,
) -> Result<Arc<dyn Embedder>, llm::Error> {
    let settings = profile.settings.embedding.as_ref();
    let key = profile.embedding_key();
    assistant.embedders.for_tenant(settings, key)
}

/// The embedder that makes the vectors of a set: the one that the tenant wants, or, while its model
/// is being changed, the one it had before.
///
/// # Errors
/// Death if that embedder cannot be had any more.
pub(super) fn embedder_for(
    assistant: &Assistant,
    profile: &TenantProfile,
    set: &EmbeddingSet,
) -> Result<Arc<dyn Embedder>, Failure> {
    let wanted = of_settings(assistant, profile);
    if let Ok(embedder) = &wanted
        && set.is_by(&maker(&**embedder))
    {
        return Ok(Arc::clone(embedder));
    }
    let platform = assistant.embedders.platform();
    if set.is_by(&maker(&**platform)) {
        return Ok(Arc::clone(platform));
    }
    let before = before(set, profile);
    let key = profile.key_to(&before.provider, before.base_url.as_ref());
    let embedder = assistant.embedders.for_tenant(Some(&before), key);
    match embedder {
        Ok(embedder) if set.is_by(&maker(&*embedder)) => Ok(embedder),
        Ok(_) => Err(Failure::dead(format!(
            "the model {} is not there any more",
            set.model
        ))),
        Err(error) => Err(Failure::dead(wanted.err().unwrap_or(error).to_string())),
    }
}

/// What must have been set when a set was begun. Its address is not kept: it is the one that is set
/// now, if that is for the same provider.
fn before(set: &EmbeddingSet, profile: &TenantProfile) -> EmbeddingSettings {
    let now = profile.settings.embedding.as_ref();
    let same_provider = now.filter(|now| now.provider == set.provider);
    EmbeddingSettings {
        provider: set.provider.clone(),
        model: set.model.clone(),
        dimensions: u32::try_from(set.dimensions)
            .ok()
            .and_then(|dimensions| dimensions.try_into().ok()),
        base_url: same_provider.and_then(|now| now.base_url.clone()),
    }
}

/// The live set, made if there is none, and the one being built.
///
/// # Errors
/// As [`wanted`].
pub(super) async fn active(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> Result<Vec<EmbeddingSet>, Failure> {
    let active = sets::list_active(tx).await?;
    if active.is_empty() {
        return ensure(assistant, tx).await;
    }
    Ok(active)
}

/// Makes sure of a live set, and holds it until the end of the transaction.
///
/// # Errors
/// As [`wanted`].
pub(super) async fn ensure(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> Result<Vec<EmbeddingSet>, Failure> {
    let wanted = wanted(assistant, tx).await?;
    Ok(sets::ensure_live(tx, &maker(&*wanted)).await?)
}

/// Begins a set beside the live one if the tenant wants another embedder, and enqueues the embedding
/// of every version that is there; tells whether it did.
///
/// # Errors
/// As [`wanted`].
pub(super) async fn begin_if_changed(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> Result<bool, Failure> {
    let tenant = tx.tenant();
    let wanted = wanted(assistant, tx).await?;
    let begun = embedding_sets::begin_building(tx, &maker(&*wanted)).await?;
    let Some(set) = begun else {
        return Ok(false);
    };
    for version in chunks::list_versions(tx).await? {
        let all = 0..version.chunk_count;
        enqueue_runs(tx, version.document_id, version.version, all).await?;
    }
    tracing::info!(tenant.id = %tenant, model = set.model,
        "the vectors are made anew by another model");
    Ok(true)
}

/// Enqueues the embedding of the chunks of a version with these ordinals, run by run.
pub(super) async fn enqueue_runs(
    tx: &mut TenantTx,
    document_id: DocumentId,
    version: i32,
    ordinals: Range<i32>,
) -> db::Result<()> {
    let tenant_id = tx.tenant();
    let runs: Vec<EmbedChunk> = ordinals
        .clone()
        .step_by(RUN)
        .map(|first| EmbedChunk {
            tenant_id,
            document_id,
            version,
            first,
            count: as_i32(RUN).min(ordinals.end - first),
        })
        .collect();
    jobs::enqueue_many(tx, &runs).await
}

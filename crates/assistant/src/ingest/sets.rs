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
use url::Url;

use super::{RUN, as_i32};
use crate::{Assistant, TenantProfile};

/// The embedder that a tenant wants, and the address that it set for it.
struct Wanted {
    embedder: Arc<dyn Embedder>,
    base_url: Option<Url>,
}

impl Wanted {
    /// The set that it wants.
    fn maker(&self) -> Maker<'_> {
        maker(&*self.embedder, self.base_url.as_ref())
    }
}

/// The set that an embedder wants, which is at the address that a tenant set, if it set one.
pub(super) fn maker<'a>(embedder: &'a dyn Embedder, base_url: Option<&'a Url>) -> Maker<'a> {
    Maker {
        provider: embedder.provider(),
        model: embedder.model(),
        dimensions: as_i32(embedder.dimensions()),
        embedder: embedder.key().into(),
        base_url: base_url.map(Url::as_str),
    }
}

async fn wish(assistant: &Assistant, tx: &mut TenantTx) -> Result<Wanted, Failure> {
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    wish_of(assistant, &profile)
}

/// The embedder that a tenant wants now: the one that it set, else the platform's.
///
/// # Errors
/// Death for settings that lead to no embedder.
pub(super) fn wanted_by(
    assistant: &Assistant,
    profile: &TenantProfile,
) -> Result<Arc<dyn Embedder>, Failure> {
    Ok(wish_of(assistant, profile)?.embedder)
}

fn wish_of(assistant: &Assistant, profile: &TenantProfile) -> Result<Wanted, Failure> {
    of_settings(assistant, profile).map_err(|error| Failure::dead(error.to_string()))
}

fn of_settings(assistant: &Assistant, profile: &TenantProfile) -> Result<Wanted, llm::Error> {
    let settings = profile.settings.embedding.as_ref();
    let key = profile.embedding_key();
    Ok(Wanted {
        embedder: assistant.embedders.for_tenant(settings, key)?,
        base_url: settings.and_then(|settings| settings.base_url.clone()),
    })
}

/// The embedder that makes the vectors of a set: the one that the tenant wants, or, while its model
/// is being changed, the one it had before, at the address that it had then and nowhere else.
///
/// # Errors
/// Death if that embedder cannot be had any more, or its address is not known.
pub(super) fn embedder_for(
    assistant: &Assistant,
    profile: &TenantProfile,
    set: &EmbeddingSet,
) -> Result<Arc<dyn Embedder>, Failure> {
    let wanted = of_settings(assistant, profile);
    if let Ok(wanted) = &wanted
        && set.is_by(&wanted.maker())
    {
        return Ok(Arc::clone(&wanted.embedder));
    }
    let platform = assistant.embedders.platform();
    if set.is_by(&maker(&**platform, None)) {
        return Ok(Arc::clone(platform));
    }
    let gone = || Failure::dead(format!("the model {} is not there any more", set.model));
    let before = before(set).ok_or_else(gone)?;
    let key = profile.key_to(&before.provider, before.base_url.as_ref());
    let embedder = assistant.embedders.for_tenant(Some(&before), key);
    match embedder {
        Ok(embedder) if set.is_by(&maker(&*embedder, before.base_url.as_ref())) => Ok(embedder),
        Ok(_) => Err(gone()),
        Err(error) => Err(Failure::dead(wanted.err().unwrap_or(error).to_string())),
    }
}

/// What was set when a set was begun; `None` if nobody kept where that was: to ask elsewhere would
/// tell a server what was meant for another one.
fn before(set: &EmbeddingSet) -> Option<EmbeddingSettings> {
    set.embedder.as_ref()?;
    let base_url = set.base_url.as_deref().map(Url::parse).transpose().ok()?;
    let dimensions = u32::try_from(set.dimensions).ok();
    Some(EmbeddingSettings {
        provider: set.provider.clone(),
        model: set.model.clone(),
        dimensions: dimensions.and_then(|dimensions| dimensions.try_into().ok()),
        base_url,
    })
}

/// The live set, made if there is none, and the one being built.
///
/// # Errors
/// As [`wanted_by`], and those of the database.
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
/// As [`wanted_by`], and those of the database.
pub(super) async fn ensure(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> Result<Vec<EmbeddingSet>, Failure> {
    let wanted = wish(assistant, tx).await?;
    Ok(sets::ensure_live(tx, &wanted.maker()).await?)
}

/// Begins a set beside the live one if the tenant wants another embedder, and enqueues the embedding
/// of every version that is there; tells whether it did.
///
/// # Errors
/// As [`wanted_by`], and those of the database.
pub(super) async fn begin_if_changed(
    assistant: &Assistant,
    tx: &mut TenantTx,
) -> Result<bool, Failure> {
    let tenant = tx.tenant();
    let wanted = wish(assistant, tx).await?;
    let begun = embedding_sets::begin_building(tx, &wanted.maker()).await?;
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

use db::TenantTx;
use domain::TenantId;
use fail::fail_point;
use jobs::kinds::{EmbedChunk, TendIndex};
use jobs::{Failure, JobHandle};
use store::chunk_embeddings::{self, Run, Unembedded};
use store::embedding_sets::{self, EmbeddingSet, SetStatus};
use store::{chunks, documents};

use super::vectors::{Vectors, vectors_for, vectors_so_far};
use super::{news, sets};
use crate::Assistant;

/// The most chunks of a version that was replaced, deleted by one statement.
const DELETE_BATCH: i64 = 500;

/// Embeds one run of chunks, for the live set and for one that is being built; whichever run is the
/// last makes the version visible, or the set live.
///
/// # Errors
/// A retry for what may pass.
pub async fn embed(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &EmbedChunk,
) -> Result<(), Failure> {
    for set in sets::active(assistant, job.tenant_id).await? {
        match embed_for(assistant, handle, job, &set).await {
            // A model that was chosen and refuses leaves the documents as they are found today.
            Err(Failure::Dead(reason)) if set.status == SetStatus::Building => {
                tracing::warn!(tenant.id = %job.tenant_id, model = set.model, %reason,
                    "the vectors of another model cannot be made");
            }
            embedded => embedded?,
        }
    }
    Ok(())
}

async fn embed_for(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &EmbedChunk,
    set: &EmbeddingSet,
) -> Result<(), Failure> {
    let run = load(assistant, set, job).await?;
    let vectors = if run.is_empty() {
        Vec::new()
    } else {
        handle.check_lease()?;
        let embedder = sets::embedder_of(assistant, job.tenant_id, set).await?;
        vectors_for(assistant, job.tenant_id, &*embedder, &texts(&run)).await?
    };
    keep(assistant, handle, job, set, &run, vectors).await
}

/// Embeds several runs of one tenant together, in as few calls of the model as can be. `None` for
/// a run that is better embedded by itself: a text was refused, and nobody knows of which run.
pub async fn embed_together(
    assistant: &Assistant,
    jobs: &[(&JobHandle, &EmbedChunk)],
) -> Vec<Option<Result<(), Failure>>> {
    match try_together(assistant, jobs).await {
        Ok(results) => results,
        // Each finds out for itself.
        Err(_) => jobs.iter().map(|_| None).collect(),
    }
}

async fn try_together(
    assistant: &Assistant,
    jobs: &[(&JobHandle, &EmbedChunk)],
) -> Result<Vec<Option<Result<(), Failure>>>, Failure> {
    let Some((_, first)) = jobs.first() else {
        return Ok(Vec::new());
    };
    let tenant = first.tenant_id;
    let mut results: Vec<_> = jobs.iter().map(|_| Some(Ok(()))).collect();
    for set in sets::active(assistant, tenant).await? {
        let mut runs = Vec::with_capacity(jobs.len());
        for (handle, job) in jobs {
            handle.check_lease()?;
            runs.push(load(assistant, &set, job).await?);
        }
        let vectors = vectors_of_runs(assistant, tenant, &set, &runs).await?;
        let mut made = vectors.made.into_iter();
        for (((handle, job), run), result) in jobs.iter().zip(runs).zip(&mut results) {
            let own: Vec<_> = made.by_ref().take(run.len()).collect();
            let own: Option<Vec<_>> = own.into_iter().collect();
            if !matches!(result, Some(Ok(()))) {
                continue;
            }
            *result = match (own, &vectors.stopped) {
                (Some(own), _) => Some(keep(assistant, handle, job, &set, &run, own).await),
                (None, Some(stopped)) if !stopped.may_be_of_one_text() => {
                    Some(Err(stopped.failure()))
                }
                (None, _) => None,
            };
        }
    }
    Ok(results)
}

async fn vectors_of_runs(
    assistant: &Assistant,
    tenant: TenantId,
    set: &EmbeddingSet,
    runs: &[Vec<Unembedded>],
) -> Result<Vectors, Failure> {
    let all: Vec<String> = runs.iter().flat_map(|run| texts(run)).collect();
    if all.is_empty() {
        return Ok(Vectors {
            made: Vec::new(),
            stopped: None,
        });
    }
    let embedder = sets::embedder_of(assistant, tenant, set).await?;
    vectors_so_far(assistant, tenant, &*embedder, &all).await
}

async fn load(
    assistant: &Assistant,
    set: &EmbeddingSet,
    job: &EmbedChunk,
) -> Result<Vec<Unembedded>, Failure> {
    let run = Run {
        document_id: job.document_id,
        version: job.version,
        first: job.first,
        count: job.count,
    };
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    Ok(chunk_embeddings::list_unembedded(&mut tx, set.id, run).await?)
}

/// What a model gets to see of each chunk.
fn texts(run: &[Unembedded]) -> Vec<String> {
    run.iter()
        .map(|chunk| match &chunk.heading {
            Some(heading) => format!("{heading}\n{}", chunk.text),
            None => chunk.text.clone(),
        })
        .collect()
}

/// Stores the vectors of a run, one for each chunk, and switches what is whole by that.
async fn keep(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &EmbedChunk,
    set: &EmbeddingSet,
    run: &[Unembedded],
    vectors: Vec<Vec<f32>>,
) -> Result<(), Failure> {
    if !run.is_empty() {
        let rows = run.iter().map(|chunk| chunk.id).zip(vectors).collect();
        let mut tx = assistant.db.tenant(job.tenant_id).await?;
        handle.fence(&mut tx).await?;
        // As it stands now: it may have been retired, or be indexed, since it was looked at.
        let active = embedding_sets::hold_active(&mut tx).await?;
        if let Some(set) = active.iter().find(|other| other.id == set.id) {
            chunk_embeddings::insert_many(&mut tx, set, rows).await?;
        }
        tx.commit().await?;
    }
    fail_point!("embed.before_switch");
    match set.status {
        SetStatus::Building => switch_set(assistant, job.tenant_id).await,
        SetStatus::Live | SetStatus::Retired => switch_if_whole(assistant, job).await,
    }
}

/// Makes the set that is being built the live one, once it has a vector for whatever searches see.
async fn switch_set(assistant: &Assistant, tenant: TenantId) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let switched = embedding_sets::switch_set(&mut tx).await?;
    tx.commit().await?;
    if switched {
        tracing::info!(tenant.id = %tenant, "searches use the vectors of another model");
        tend_soon(assistant, tenant).await?;
    }
    Ok(())
}

/// Makes the version the one that searches see, once every chunk of it has its vector in the live
/// set; the older one leaves in batches.
///
/// The document's row lock lets one run after the other look, so the last one sees all vectors; the
/// hold on the live set keeps it the live one until the commit.
async fn switch_if_whole(assistant: &Assistant, job: &EmbedChunk) -> Result<(), Failure> {
    let (document, version) = (job.document_id, job.version);
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    if documents::find_for_update(&mut tx, document)
        .await?
        .is_none()
        || !documents::is_written(&mut tx, document, version).await?
    {
        return Ok(());
    }
    let Some(unembedded) = count_unembedded(&mut tx, job).await? else {
        return Ok(());
    };
    if unembedded > 0 {
        documents::set_remaining(&mut tx, document, version, unembedded).await?;
        return Ok(tx.commit().await?);
    }
    let counts = chunks::count_version(&mut tx, document, version).await?;
    let switched = documents::switch_version(
        &mut tx,
        document,
        version,
        counts.chunk_count,
        counts.term_count,
    )
    .await?;
    if switched {
        news::tell_ready(assistant, &mut tx, document).await?;
    }
    tx.commit().await?;
    if switched {
        tracing::info!(document.id = %document, version, chunks = counts.chunk_count,
            "a document can be searched");
        tend_soon(assistant, job.tenant_id).await?;
    }
    loop {
        let mut tx = assistant.db.tenant(job.tenant_id).await?;
        let deleted = chunks::delete_outdated(&mut tx, document, DELETE_BATCH).await?;
        tx.commit().await?;
        if deleted < DELETE_BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// How many chunks of the version have no vector in the live set, which is held until the commit;
/// `None`: there is no live set.
async fn count_unembedded(tx: &mut TenantTx, job: &EmbedChunk) -> db::Result<Option<i64>> {
    let active = embedding_sets::hold_active(tx).await?;
    let Some(live) = active.iter().find(|set| set.status == SetStatus::Live) else {
        return Ok(None);
    };
    let missing =
        chunk_embeddings::count_unembedded(tx, live.id, job.document_id, job.version).await?;
    Ok(Some(missing))
}

/// In a transaction of its own: the lock on the tenant's key would let one switch wait for the other.
async fn tend_soon(assistant: &Assistant, tenant_id: TenantId) -> db::Result<()> {
    let mut tx = assistant.db.tenant(tenant_id).await?;
    jobs::enqueue(&mut tx, &TendIndex { tenant_id }).await?;
    tx.commit().await
}

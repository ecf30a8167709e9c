use db::TenantTx;
use domain::TenantId;
use fail::fail_point;
use jobs::kinds::{EmbedChunk, TendIndex};
use jobs::{Failure, JobHandle};
use store::chunk_embeddings::{self, Run, Unembedded};
use store::embedding_sets::{self, EmbeddingSet, SetStatus};
use store::{chunks, documents};

use super::sets;
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
        let run = load(assistant, &set, job).await?;
        let vectors = if run.is_empty() {
            Vec::new()
        } else {
            handle.check_lease()?;
            let embedder = sets::embedder_of(assistant, &set).map_err(failure_of_embedder)?;
            let embedded = embedder.embed(&texts(&run)).await;
            embedded.map_err(failure_of_embedder)?
        };
        keep(assistant, handle, job, &set, &run, vectors).await?;
    }
    Ok(())
}

/// Embeds several runs of one tenant by one call of the model. `None`: that failed, and tells
/// nothing of any single run.
pub async fn embed_together(
    assistant: &Assistant,
    jobs: &[(&JobHandle, &EmbedChunk)],
) -> Option<Vec<Result<(), Failure>>> {
    let tenant = jobs.first()?.1.tenant_id;
    let mut results: Vec<Result<(), Failure>> = jobs.iter().map(|_| Ok(())).collect();
    for set in sets::active(assistant, tenant).await.ok()? {
        let mut runs = Vec::with_capacity(jobs.len());
        for (handle, job) in jobs {
            handle.check_lease().ok()?;
            runs.push(load(assistant, &set, job).await.ok()?);
        }
        let all: Vec<String> = runs.iter().flat_map(|run| texts(run)).collect();
        let mut vectors = if all.is_empty() {
            Vec::new()
        } else {
            let embedder = sets::embedder_of(assistant, &set).ok()?;
            embedder.embed(&all).await.ok()?
        };
        for (((handle, job), run), result) in jobs.iter().zip(runs).zip(&mut results) {
            let rest = vectors.split_off(run.len().min(vectors.len()));
            let own = std::mem::replace(&mut vectors, rest);
            if result.is_ok() {
                *result = keep(assistant, handle, job, &set, &run, own).await;
            }
        }
    }
    Some(results)
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
        || !is_whole(&mut tx, job).await?
    {
        return Ok(());
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

async fn is_whole(tx: &mut TenantTx, job: &EmbedChunk) -> db::Result<bool> {
    let active = embedding_sets::hold_active(tx).await?;
    let Some(live) = active.iter().find(|set| set.status == SetStatus::Live) else {
        return Ok(false);
    };
    let missing =
        chunk_embeddings::count_unembedded(tx, live.id, job.document_id, job.version).await?;
    Ok(missing == 0)
}

/// In a transaction of its own: the lock on the tenant's key would let one switch wait for the other.
async fn tend_soon(assistant: &Assistant, tenant_id: TenantId) -> db::Result<()> {
    let mut tx = assistant.db.tenant(tenant_id).await?;
    jobs::enqueue(&mut tx, &TendIndex { tenant_id }).await?;
    tx.commit().await
}

fn failure_of_embedder(error: llm::Error) -> Failure {
    match error.retry_after() {
        _ if !error.is_transient() => Failure::dead(error.to_string()),
        Some(after) => Failure::retry_after(after, error),
        None => Failure::retry(error),
    }
}

use fail::fail_point;
use jobs::kinds::EmbedChunk;
use jobs::{Failure, JobHandle};
use store::chunks::Unembedded;
use store::{chunks, documents};

use super::vectors::{embedder_of, vectors_for, vectors_so_far};
use crate::Assistant;

/// The most chunks of a version that was replaced, deleted by one statement.
const DELETE_BATCH: i64 = 500;

/// Embeds one run of chunks; whichever run is the last makes the version visible.
///
/// # Errors
/// A retry for what may pass.
pub async fn embed(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &EmbedChunk,
) -> Result<(), Failure> {
    let embedder = embedder_of(assistant, job.tenant_id).await?;
    let run = load(assistant, job, embedder.model()).await?;
    handle.check_lease()?;
    let vectors = vectors_for(assistant, job.tenant_id, &*embedder, &texts(&run)).await?;
    keep(assistant, handle, job, embedder.model(), &run, vectors).await
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
    let embedder = embedder_of(assistant, tenant).await?;
    let mut runs = Vec::with_capacity(jobs.len());
    for (handle, job) in jobs {
        handle.check_lease()?;
        runs.push(load(assistant, job, embedder.model()).await?);
    }
    let all: Vec<String> = runs.iter().flat_map(|run| texts(run)).collect();
    let vectors = vectors_so_far(assistant, tenant, &*embedder, &all).await?;
    let mut made = vectors.made.into_iter();
    let mut results = Vec::with_capacity(jobs.len());
    for ((handle, job), run) in jobs.iter().zip(runs) {
        let own: Vec<_> = made.by_ref().take(run.len()).collect();
        let own: Option<Vec<_>> = own.into_iter().collect();
        results.push(match (own, &vectors.stopped) {
            (Some(own), _) => Some(keep(assistant, handle, job, embedder.model(), &run, own).await),
            (None, Some(stopped)) if !stopped.may_be_of_one_text() => Some(Err(stopped.failure())),
            (None, _) => None,
        });
    }
    Ok(results)
}

async fn load(
    assistant: &Assistant,
    job: &EmbedChunk,
    model: &str,
) -> Result<Vec<Unembedded>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    let (document, version) = (job.document_id, job.version);
    let run = chunks::list_run(&mut tx, document, version, model, job.first, job.count).await?;
    Ok(run)
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

/// Stores the vectors of a run, one for each chunk, and switches the version if it is whole.
async fn keep(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &EmbedChunk,
    model: &str,
    run: &[Unembedded],
    vectors: Vec<Vec<f32>>,
) -> Result<(), Failure> {
    if !run.is_empty() {
        let rows = run.iter().map(|chunk| chunk.id).zip(vectors).collect();
        let mut tx = assistant.db.tenant(job.tenant_id).await?;
        handle.fence(&mut tx).await?;
        chunks::set_embeddings(&mut tx, model, rows).await?;
        tx.commit().await?;
    }
    fail_point!("embed.before_switch");
    switch_if_whole(assistant, job, model).await
}

/// Makes the version the one that searches see, once every chunk of it has its vector; the older
/// one leaves in batches.
///
/// The document's row lock lets one run after the other look, so the last one sees all vectors.
async fn switch_if_whole(
    assistant: &Assistant,
    job: &EmbedChunk,
    model: &str,
) -> Result<(), Failure> {
    let (document, version) = (job.document_id, job.version);
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    if documents::find_for_update(&mut tx, document)
        .await?
        .is_none()
        || chunks::count_unembedded(&mut tx, document, version, model).await? > 0
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

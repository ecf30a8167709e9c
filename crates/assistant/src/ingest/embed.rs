use fail::fail_point;
use jobs::kinds::EmbedChunk;
use jobs::{Failure, JobHandle};
use store::chunks::Unembedded;
use store::{chunks, documents};

use super::news;
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
    let run = load(assistant, job).await?;
    let vectors = if run.is_empty() {
        Vec::new()
    } else {
        handle.check_lease()?;
        let embedded = assistant.embedder.embed(&texts(&run)).await;
        embedded.map_err(failure_of_embedder)?
    };
    keep(assistant, handle, job, &run, vectors).await
}

/// Embeds several runs of one tenant by one call of the model. `None`: that failed, and tells
/// nothing of any single run.
pub async fn embed_together(
    assistant: &Assistant,
    jobs: &[(&JobHandle, &EmbedChunk)],
) -> Option<Vec<Result<(), Failure>>> {
    let mut runs = Vec::with_capacity(jobs.len());
    for (handle, job) in jobs {
        handle.check_lease().ok()?;
        runs.push(load(assistant, job).await.ok()?);
    }
    let all: Vec<String> = runs.iter().flat_map(|run| texts(run)).collect();
    let mut vectors = if all.is_empty() {
        Vec::new()
    } else {
        assistant.embedder.embed(&all).await.ok()?
    };
    let mut results = Vec::with_capacity(jobs.len());
    for ((handle, job), run) in jobs.iter().zip(runs) {
        let rest = vectors.split_off(run.len().min(vectors.len()));
        let own = std::mem::replace(&mut vectors, rest);
        results.push(keep(assistant, handle, job, &run, own).await);
    }
    Some(results)
}

async fn load(assistant: &Assistant, job: &EmbedChunk) -> Result<Vec<Unembedded>, Failure> {
    let model = assistant.embedder.model();
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
    run: &[Unembedded],
    vectors: Vec<Vec<f32>>,
) -> Result<(), Failure> {
    let model = assistant.embedder.model();
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
    {
        return Ok(());
    }
    let unembedded = chunks::count_unembedded(&mut tx, document, version, model).await?;
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

fn failure_of_embedder(error: llm::Error) -> Failure {
    match error.retry_after() {
        _ if !error.is_transient() => Failure::dead(error.to_string()),
        Some(after) => Failure::retry_after(after, error),
        None => Failure::retry(error),
    }
}

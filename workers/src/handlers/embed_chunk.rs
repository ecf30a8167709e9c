use assistant::{Assistant, ingest};
use jobs::kinds::EmbedChunk;
use jobs::{Failure, JobHandle};

/// Embeds a run of chunks. Doing it twice writes the same vectors.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: EmbedChunk,
) -> Result<(), Failure> {
    ingest::embed(assistant, handle, &job).await
}

/// Embeds several runs together. Those that are better embedded alone have a call of their own, so
/// that what is wrong with one is not laid at the others' door.
pub(crate) async fn run_batch(
    assistant: &Assistant,
    handles: &[JobHandle],
) -> Vec<Result<(), Failure>> {
    let jobs: Vec<Result<EmbedChunk, Failure>> =
        handles.iter().map(|handle| handle.job.decode()).collect();
    let readable: Vec<_> = handles
        .iter()
        .zip(&jobs)
        .filter_map(|(handle, job)| Some((handle, job.as_ref().ok()?)))
        .collect();
    let mut together = ingest::embed_together(assistant, &readable)
        .await
        .into_iter();
    let mut results = Vec::with_capacity(handles.len());
    for (handle, job) in handles.iter().zip(jobs) {
        let result = match job {
            Err(failure) => Err(failure),
            Ok(job) => match together.next().flatten() {
                Some(result) => result,
                None => run(assistant, handle, job).await,
            },
        };
        results.push(result);
    }
    results
}

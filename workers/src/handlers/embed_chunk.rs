use assistant::Assistant;
use jobs::kinds::EmbedChunk;
use jobs::{Failure, JobHandle};

/// Embeds a run of chunks. Doing it twice writes the same vectors.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: EmbedChunk,
) -> Result<(), Failure> {
    assistant::ingest::embed(assistant, handle, job).await
}

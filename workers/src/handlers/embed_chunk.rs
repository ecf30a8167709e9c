use assistant::{Assistant, ingest};
use jobs::kinds::EmbedChunk;
use jobs::{Failure, JobHandle};

use crate::together::Together;

/// Embeds a run of chunks. Doing it twice writes the same vectors.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: EmbedChunk,
) -> Result<(), Failure> {
    ingest::embed(assistant, handle, &job).await
}

impl Together for EmbedChunk {
    async fn do_together(
        assistant: &Assistant,
        jobs: &[(&JobHandle, &Self)],
    ) -> Result<Vec<Option<Result<(), Failure>>>, Failure> {
        ingest::embed_together(assistant, jobs).await
    }

    async fn do_alone(self, assistant: &Assistant, handle: &JobHandle) -> Result<(), Failure> {
        run(assistant, handle, self).await
    }
}

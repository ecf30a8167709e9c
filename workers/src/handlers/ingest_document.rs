use assistant::Assistant;
use jobs::kinds::IngestDocument;
use jobs::{Failure, JobHandle};

/// Reads a document. Doing it twice finds the version written.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: IngestDocument,
) -> Result<(), Failure> {
    assistant::ingest::ingest(assistant, handle, job).await
}

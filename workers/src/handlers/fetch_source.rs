use assistant::Assistant;
use jobs::kinds::FetchSource;
use jobs::{Failure, JobHandle};

/// Fetches the content of a document. Doing it twice finds it unchanged.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: FetchSource,
) -> Result<(), Failure> {
    assistant::ingest::fetch::fetch(assistant, handle, job).await
}

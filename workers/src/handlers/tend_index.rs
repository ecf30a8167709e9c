use assistant::{Assistant, ingest};
use jobs::kinds::TendIndex;
use jobs::{Failure, JobHandle};

/// Tends a tenant's indexes. Each of its steps is a transaction that looks at what is there, so that
/// a second run goes on where the first one ended.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: TendIndex,
) -> Result<(), Failure> {
    ingest::tend(assistant, handle, job).await
}

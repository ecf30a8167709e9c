use assistant::Assistant;
use jobs::kinds::RefreshSources;
use jobs::{Failure, JobHandle};

/// Has the addresses fetched that are due. Doing it twice finds them put off.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    _job: RefreshSources,
) -> Result<(), Failure> {
    assistant::ingest::fetch::refresh_due(assistant).await
}

use assistant::Assistant;
use jobs::kinds::FetchMedia;
use jobs::{Failure, JobHandle};

/// Fetches a file that a contact sent. Doing it twice finds it here.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: FetchMedia,
) -> Result<(), Failure> {
    assistant::receive::media::fetch(assistant, handle, job).await
}

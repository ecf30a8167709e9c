use assistant::{Assistant, channel_health};
use jobs::kinds::CheckChannel;
use jobs::{Failure, JobHandle};

/// Looks whether a channel works. Doing it twice notes what the second look finds.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    job: CheckChannel,
) -> Result<(), Failure> {
    match channel_health::look(assistant, job.tenant_id, job.channel_id).await {
        // It was deleted meanwhile.
        Ok(_) | Err(assistant::Error::NotFound) => Ok(()),
        Err(error) => Err(Failure::retry(error)),
    }
}

use assistant::Assistant;
use assistant::channel_health::{Witness, look};
use jobs::kinds::CheckChannel;
use jobs::{Failure, JobHandle};

/// Looks whether a channel works. Doing it twice notes what the second look finds.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    job: CheckChannel,
) -> Result<(), Failure> {
    match look(assistant, job.tenant_id, job.channel_id, Witness::Schedule).await {
        // It was deleted meanwhile.
        Ok(_) | Err(assistant::Error::NotFound) => Ok(()),
        Err(error) => Err(Failure::retry(error)),
    }
}

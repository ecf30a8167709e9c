use assistant::Assistant;
use jobs::kinds::ReleaseConversations;
use jobs::{Failure, JobHandle};

/// Gives conversations back to the machine. Doing it twice finds none that is due.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    _job: ReleaseConversations,
) -> Result<(), Failure> {
    assistant::people::release_due(assistant).await?;
    Ok(())
}

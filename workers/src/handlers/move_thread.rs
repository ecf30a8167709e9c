use assistant::Assistant;
use jobs::kinds::MoveThread;
use jobs::{Failure, JobHandle};

/// Moves a conversation to the page's inbox or back. Doing it twice asks for what is so already.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: MoveThread,
) -> Result<(), Failure> {
    assistant::people::move_thread(assistant, handle, job).await
}

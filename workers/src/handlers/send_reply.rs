use assistant::Assistant;
use jobs::kinds::SendReply;
use jobs::{Failure, JobHandle};

/// Sends a message. Doing it twice finds it sent, or waits for the channel to say so.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: SendReply,
) -> Result<(), Failure> {
    assistant::deliver::send(assistant, handle, job).await
}

use assistant::Assistant;
use jobs::kinds::InboundMessage;
use jobs::{Failure, JobHandle};

/// Stores what a contact wrote. Doing it twice finds the message there.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: InboundMessage,
) -> Result<(), Failure> {
    assistant::receive::message::store(assistant, handle, job).await
}

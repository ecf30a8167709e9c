use assistant::Assistant;
use jobs::kinds::ChannelStatus;
use jobs::{Failure, JobHandle};

/// Applies a channel's report. Doing it twice finds the status there: statuses only move forward.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: ChannelStatus,
) -> Result<(), Failure> {
    assistant::receive::status::apply(assistant, handle, job).await
}

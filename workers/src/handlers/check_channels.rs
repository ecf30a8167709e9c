use assistant::{Assistant, channel_health};
use jobs::kinds::CheckChannels;
use jobs::{Failure, JobHandle};

/// Has channels looked at that are due. Doing it twice finds them looked at.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    _job: CheckChannels,
) -> Result<(), Failure> {
    channel_health::look_at_due(assistant).await
}

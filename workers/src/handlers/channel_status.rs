use assistant::{Assistant, receive};
use jobs::kinds::ChannelStatus;
use jobs::{Failure, JobHandle};

use crate::together::Together;

/// Applies a channel's report. Doing it twice finds the status there: statuses only move forward.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: ChannelStatus,
) -> Result<(), Failure> {
    receive::status::apply(assistant, handle, job).await
}

impl Together for ChannelStatus {
    async fn do_together(
        assistant: &Assistant,
        jobs: &[(&JobHandle, &Self)],
    ) -> Result<Vec<Option<Result<(), Failure>>>, Failure> {
        receive::together::apply_together(assistant, jobs).await
    }

    async fn do_alone(self, assistant: &Assistant, handle: &JobHandle) -> Result<(), Failure> {
        run(assistant, handle, self).await
    }
}

use assistant::{Assistant, provider_checks};
use jobs::kinds::CheckProviders;
use jobs::{Failure, JobHandle};

/// Has tenants' providers looked at that are due. Doing it twice finds them looked at.
pub(crate) async fn run(
    assistant: &Assistant,
    _handle: &JobHandle,
    _job: CheckProviders,
) -> Result<(), Failure> {
    provider_checks::look_at_due(assistant).await
}

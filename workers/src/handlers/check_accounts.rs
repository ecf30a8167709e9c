use assistant::{Assistant, provider_checks};
use jobs::kinds::CheckAccounts;
use jobs::{Failure, JobHandle};

/// Looks at a tenant's accounts at providers. Doing it twice notes what the second look finds.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: CheckAccounts,
) -> Result<(), Failure> {
    provider_checks::look(assistant, job.tenant_id, handle.is_last_attempt()).await
}

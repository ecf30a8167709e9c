use assistant::Assistant;
use jobs::kinds::EraseContact;
use jobs::{Failure, JobHandle};

/// Erases a contact. Doing it twice finds nothing left to erase.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: EraseContact,
) -> Result<(), Failure> {
    assistant::people::erase(assistant, handle, job).await
}

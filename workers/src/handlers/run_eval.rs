use assistant::Assistant;
use jobs::kinds::RunEval;
use jobs::{Failure, JobHandle};

/// Asks the questions of an evaluation. Doing it twice goes on where it stopped.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: RunEval,
) -> Result<(), Failure> {
    assistant::evals::run(assistant, handle, job).await
}

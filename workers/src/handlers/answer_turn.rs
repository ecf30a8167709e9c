use assistant::Assistant;
use jobs::kinds::AnswerTurn;
use jobs::{Failure, JobHandle};

/// Answers what a contact wrote. Doing it twice finds the turn answered.
pub(crate) async fn run(
    assistant: &Assistant,
    handle: &JobHandle,
    job: AnswerTurn,
) -> Result<(), Failure> {
    assistant::answer::answer(assistant, handle, job).await
}

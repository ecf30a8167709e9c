//! Runs of kinds that take several jobs at a time.

use assistant::Assistant;
use jobs::{Failure, Job, JobHandle};

/// A kind whose jobs may be done together.
pub(crate) trait Together: Job {
    /// Does those together that can be; `None`: that one is better done alone. After an error all of
    /// them are.
    fn do_together(
        assistant: &Assistant,
        jobs: &[(&JobHandle, &Self)],
    ) -> impl Future<Output = Result<Vec<Option<Result<(), Failure>>>, Failure>> + Send;

    /// Does one.
    fn do_alone(
        self,
        assistant: &Assistant,
        handle: &JobHandle,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Does several jobs together. Those that are better done alone have a call of their own, so that
/// what is wrong with one is not laid at the others' door.
pub(crate) async fn run<J: Together>(
    assistant: &Assistant,
    handles: &[JobHandle],
) -> Vec<Result<(), Failure>> {
    let jobs: Vec<Result<J, Failure>> = handles.iter().map(|handle| handle.job.decode()).collect();
    let readable: Vec<_> = handles
        .iter()
        .zip(&jobs)
        .filter_map(|(handle, job)| Some((handle, job.as_ref().ok()?)))
        .collect();
    let together = J::do_together(assistant, &readable).await;
    // What is wrong each finds out for itself.
    let mut together = together.unwrap_or_default().into_iter();
    let mut results = Vec::with_capacity(handles.len());
    for (handle, job) in handles.iter().zip(jobs) {
        let result = match job {
            Err(failure) => Err(failure),
            Ok(job) => match together.next().flatten() {
                Some(result) => result,
                None => job.do_alone(assistant, handle).await,
            },
        };
        results.push(result);
    }
    results
}

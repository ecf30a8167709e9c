//! Running handlers: one job or several of a flow at a time, panics caught, broken batches halved.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use telemetry::trace::{Scope, job_scope};

use super::JobHandle;
use crate::Failure;

/// Jobs of one flow that one run takes together: one kind, one tenant, the same limits. Kinds that
/// do not ask for batches get one job at a time.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The jobs, at least one.
    pub handles: Vec<JobHandle>,
}

impl Batch {
    /// The kind of all of them.
    pub fn kind(&self) -> &'static str {
        self.handles.first().map_or("", |handle| handle.job.kind)
    }
}

/// What became of each job of a batch, in its order.
#[derive(Debug)]
pub(super) struct Results(pub(super) Vec<Result<(), Failure>>);

/// Runs a handler over a batch. One that panics over several jobs runs again over each half, so
/// that only what breaks it is blamed; nobody's attempt is burned by that.
pub(super) fn run_halving<F, Fut>(handler: F, batch: Batch) -> BoxFuture<'static, Results>
where
    F: Fn(Batch) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<(), Failure>>> + Send + 'static,
{
    Box::pin(async move {
        let scope = scope(&batch);
        // Only what can be halved is needed again.
        let again = (batch.handles.len() > 1).then(|| batch.clone());
        let work = scope.run(async {
            let results = handler(batch).await;
            // One line of every run, with all that was noted of it.
            tracing::debug!(jobs = results.len(), "a run has ended");
            results
        });
        match (AssertUnwindSafe(work).catch_unwind().await, again) {
            (Ok(results), _) => Results(results),
            (Err(_), Some(Batch { handles: mut left })) => {
                tracing::warn!(
                    jobs = left.len(),
                    kind = left[0].job.kind,
                    "a batch panicked and is run in halves"
                );
                let right = left.split_off(left.len() / 2);
                let left = run_halving(handler.clone(), Batch { handles: left }).await;
                let right = run_halving(handler, Batch { handles: right }).await;
                Results(left.0.into_iter().chain(right.0).collect())
            }
            (Err(panic), None) => Results(vec![Err(Failure::Panicked(message(panic.as_ref())))]),
        }
    })
}

/// In the trace of whoever enqueued the first of them.
fn scope(batch: &Batch) -> Scope {
    let Some(first) = batch.handles.first().map(|handle| &handle.job) else {
        return job_scope("", 0, 0, None);
    };
    job_scope(
        first.kind,
        first.id,
        first.attempt,
        first.traceparent.as_deref(),
    )
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

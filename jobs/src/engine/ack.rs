use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use tower::{Layer, Service};

use super::backend::Held;
use super::finish::{Finish, Outcome};
use super::{JobHandle, Shared};
use crate::failure::printable;
use crate::{Backoff, Failure};

/// The longest a job may be put off, whatever the other side asks for.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// Turns what a handler returned into the job's outcome. It sees the typed error, which a
/// persisted string would lose.
#[derive(Clone)]
pub struct AckLayer {
    shared: Arc<Shared>,
}

impl AckLayer {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for AckLayer {
    type Service = Ack<S>;

    fn layer(&self, inner: S) -> Ack<S> {
        Ack {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

/// The service that [`AckLayer`] makes.
#[derive(Clone)]
pub struct Ack<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Task<JobHandle>> for Ack<S>
where
    S: Service<Task<JobHandle>>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxDynError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<JobHandle>) -> Self::Future {
        let Some(held) = task.data().get::<Held>().cloned() else {
            return Box::pin(async { Err("a task that no backend of ours made".into()) });
        };
        let work = self.inner.call(task);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Held {
                handle,
                lease,
                slot,
            } = held;
            let outcome = tokio::select! {
                biased;
                () = lease.lost.cancelled() => None,
                () = lease.released.cancelled() => Some(Outcome::Again {
                    after: Duration::ZERO,
                    outcome: "retry",
                    error: "the worker was shut down before it was done".to_owned(),
                    give_back: true,
                }),
                result = work => Some(match result {
                    Ok(_) => Outcome::Done,
                    Err(error) => outcome_of(&shared, &handle, error.into()),
                }),
            };
            fail::fail_point!("job.before_finish");
            lease.finish();
            let job = Arc::clone(&handle.job);
            match outcome {
                Some(outcome) => {
                    shared
                        .finishes
                        .send(Finish::Job { job, outcome })
                        .await
                        .ok();
                }
                None => {
                    shared.inflight.remove(job.id, job.claim);
                    tracing::warn!(job.id = job.id, "dropped: the lease is lost");
                }
            }
            drop(slot);
            Ok(())
        })
    }
}

/// What becomes of a job whose handler failed.
fn outcome_of(shared: &Shared, handle: &JobHandle, error: BoxDynError) -> Outcome {
    let failure = match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        // Only a layer can have made it: the handlers return `Failure`.
        Err(other) => Failure::Panicked(other.to_string()),
    };
    let job = &handle.job;
    let text = failure.chain();
    tracing::info!(job.id = job.id, job.kind = %job.kind, job.attempt = job.attempt,
        failure = %text, "an attempt did not finish its job");
    let backoff = shared.policy(&job.kind).map_or(
        Backoff::Exponential {
            base: Duration::from_secs(1),
            cap: Duration::from_mins(1),
        },
        |policy| policy.backoff,
    );
    let (least, name) = match failure {
        Failure::Cancel(_) => return Outcome::Cancelled { reason: text },
        Failure::Dead(reason) => {
            return Outcome::Dead {
                outcome: "dead",
                reason: printable(&reason),
            };
        }
        Failure::Snooze { after, .. } => {
            let after = after.min(MAX_WAIT);
            let outcome = "snoozed";
            return Outcome::Again {
                after,
                outcome,
                error: text,
                give_back: true,
            };
        }
        Failure::Retry(_) => (Duration::ZERO, "retry"),
        Failure::RetryAfter { after, .. } => (after, "retry"),
        Failure::Panicked(_) => (Duration::ZERO, "panicked"),
        Failure::TimedOut(_) => (Duration::ZERO, "timed_out"),
    };
    if handle.is_last_attempt() {
        return Outcome::Dead {
            outcome: name,
            reason: text,
        };
    }
    let after = least
        .min(MAX_WAIT)
        .max(backoff.delay(job.attempt))
        .max(Duration::from_millis(1));
    Outcome::Again {
        after,
        outcome: name,
        error: text,
        give_back: false,
    }
}

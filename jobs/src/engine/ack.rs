use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use tower::{Layer, Service};

use super::backend::Held;
use super::claim::Hold;
use super::finish::Outcome;
use super::inflight::Interrupt;
use super::run::{Batch, Results};
use super::{ClaimedJob, Shared};
use crate::Failure;
use crate::failure::printable;

/// The longest a job may be put off, whatever the other side asks for.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// Turns what a handler returned into the jobs' outcomes. It sees the typed errors, which
/// persisted strings would lose, and ends runs that are not to go on.
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

impl<S> Service<Task<Batch>> for Ack<S>
where
    S: Service<Task<Batch>, Response = Results>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxDynError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Batch>) -> Self::Future {
        let Some(held) = task.data().get::<Held>().cloned() else {
            return Box::pin(async { Err("a task that no backend of ours made".into()) });
        };
        let work = self.inner.call(task);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Held { holds, lane, slot } = held;
            let begun = Instant::now();
            let ending = until_ended(&holds, work).await;
            lane.ran(begun.elapsed());
            fail::fail_point!("job.before_finish");
            settle(&shared, &holds, ending).await;
            drop(slot);
            Ok(())
        })
    }
}

/// How a run came to its end.
enum Ending {
    /// By itself, or broken by a layer.
    Itself(Result<Results, BoxDynError>),
    Interrupted(Interrupt),
    /// It was cancelled, and did not end within its grace.
    Cancelled,
    TimedOut(Duration),
}

/// Runs until the work is done or has to end.
async fn until_ended<E: Into<BoxDynError>>(
    holds: &[Hold],
    work: impl Future<Output = Result<Results, E>>,
) -> Ending {
    let time = holds
        .iter()
        .map(|hold| hold.job.time())
        .min()
        .unwrap_or_default();
    tokio::select! {
        biased;
        result = work => Ending::Itself(result.map_err(Into::into)),
        why = interrupted(holds) => Ending::Interrupted(why),
        () = cancelled(holds) => Ending::Cancelled,
        () = tokio::time::sleep(time) => Ending::TimedOut(time),
    }
}

/// Waits until none of the jobs is to go on.
async fn interrupted(holds: &[Hold]) -> Interrupt {
    let mut why = Interrupt::Lost;
    for hold in holds {
        why = hold.lease.wait_interrupted().await;
    }
    why
}

/// Waits until all of the jobs are cancelled, and for their grace.
async fn cancelled(holds: &[Hold]) {
    let mut grace = Duration::ZERO;
    for hold in holds {
        hold.lease.cancelled.cancelled().await;
        grace = grace.max(hold.job.flow.kind.cancel_grace);
    }
    tokio::time::sleep(grace).await;
}

async fn settle(shared: &Shared, holds: &[Hold], ending: Ending) {
    let failures: Vec<Result<(), Failure>> = match ending {
        Ending::Interrupted(Interrupt::Lost) => {
            for hold in holds {
                tracing::warn!(job.id = hold.job.id, "dropped: the lease is lost");
            }
            let lost = holds.iter().map(|hold| (hold.job.id, hold.job.claim));
            shared.inflight.remove_all(lost);
            return;
        }
        Ending::Interrupted(Interrupt::Released) => {
            for hold in holds {
                hold.lease.finish();
                let outcome = Outcome::Again {
                    after: Duration::ZERO,
                    outcome: "retry",
                    error: "the worker was shut down before it was done".to_owned(),
                    give_back: true,
                };
                shared.finishes.send(Arc::clone(&hold.job), outcome).await;
            }
            return;
        }
        Ending::Itself(Ok(Results(results))) => results,
        Ending::Itself(Err(error)) => {
            let text = error.to_string();
            holds
                .iter()
                .map(|_| Err(Failure::Panicked(text.clone())))
                .collect()
        }
        Ending::Cancelled => holds
            .iter()
            .map(|_| {
                Err(Failure::Cancel(
                    "cancelled; the handler did not end in time".to_owned(),
                ))
            })
            .collect(),
        Ending::TimedOut(time) => holds.iter().map(|_| Err(Failure::TimedOut(time))).collect(),
    };
    let mut results = failures.into_iter();
    for hold in holds {
        hold.lease.finish();
        let result = results.next().unwrap_or_else(|| {
            Err(Failure::Panicked(
                "the batch handler said nothing about it".to_owned(),
            ))
        });
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(failure) => outcome_of(hold, failure),
        };
        shared.finishes.send(Arc::clone(&hold.job), outcome).await;
    }
}

/// What becomes of a job whose handler failed.
fn outcome_of(hold: &Hold, failure: Failure) -> Outcome {
    let job: &ClaimedJob = &hold.job;
    let text = failure.chain();
    tracing::info!(job.id = job.id, job.kind = %job.kind, job.attempt = job.attempt,
        failure = %text, "an attempt did not finish its job");
    if hold.lease.cancelled.is_cancelled() {
        return Outcome::Cancelled { reason: text };
    }
    let (least, name) = match failure {
        Failure::Cancel(_) => return Outcome::Cancelled { reason: text },
        Failure::Dead(reason) => {
            let reason = printable(&reason);
            return Outcome::Dead {
                outcome: "dead",
                reason,
            };
        }
        Failure::Expired => {
            return Outcome::Dead {
                outcome: "expired",
                reason: text,
            };
        }
        Failure::Snooze { after, .. } => {
            return Outcome::Again {
                after: after.min(MAX_WAIT),
                outcome: "snoozed",
                error: text,
                give_back: true,
            };
        }
        Failure::Retry(_) => (Duration::ZERO, "retry"),
        Failure::RetryAfter { after, .. } => (after, "retry"),
        Failure::Panicked(_) => (Duration::ZERO, "panicked"),
        Failure::TimedOut(_) => (Duration::ZERO, "timed_out"),
    };
    if job.attempt >= job.max_attempts {
        return Outcome::Dead {
            outcome: name,
            reason: text,
        };
    }
    let after = least
        .min(MAX_WAIT)
        .max(job.flow.kind.policy.backoff.delay(job.attempt))
        .max(Duration::from_millis(1));
    Outcome::Again {
        after,
        outcome: name,
        error: text,
        give_back: false,
    }
}

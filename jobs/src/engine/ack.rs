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
            for hold in &holds {
                shared.notes.began(&hold.job, begun - hold.since);
            }
            let ending = until_ended(&holds, work).await;
            let run = begun.elapsed();
            lane.ran(run);
            fail::fail_point!("job.before_finish");
            settle(&shared, &holds, ending, run).await;
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

async fn settle(shared: &Shared, holds: &[Hold], ending: Ending, run: Duration) {
    for hold in holds {
        shared.notes.ran(hold.job.kind, run);
    }
    let Some(outcomes) = outcomes(holds, ending) else {
        let lost = holds.iter().map(|hold| (hold.job.id, hold.job.claim));
        shared.inflight.remove_all(lost);
        return;
    };
    for (hold, outcome) in holds.iter().zip(outcomes) {
        hold.lease.finish();
        let job = Arc::clone(&hold.job);
        shared.finishes.send(job, outcome, run).await;
    }
}

/// What becomes of each job; `None`: they are somebody else's.
fn outcomes(holds: &[Hold], ending: Ending) -> Option<Vec<Outcome>> {
    let all = |failure: fn(String) -> Failure, text: &str| {
        let of_one = |hold| outcome_of(hold, failure(text.to_owned()));
        Some(holds.iter().map(of_one).collect())
    };
    match ending {
        Ending::Interrupted(Interrupt::Lost) => {
            for hold in holds {
                tracing::warn!(job.id = hold.job.id, "dropped: the lease is lost");
            }
            None
        }
        Ending::Interrupted(Interrupt::Released) => {
            let released = |_| Outcome::Again {
                after: Duration::ZERO,
                outcome: "retry",
                error: "the worker was shut down before it was done".to_owned(),
                give_back: true,
            };
            Some(holds.iter().map(released).collect())
        }
        Ending::Itself(Ok(Results(results))) => {
            let unsaid = || {
                Err(Failure::Panicked(
                    "the batch handler said nothing".to_owned(),
                ))
            };
            let results = results.into_iter().chain(std::iter::repeat_with(unsaid));
            let of_one = |(hold, result)| match result {
                Ok(()) => Outcome::Done,
                Err(failure) => outcome_of(hold, failure),
            };
            Some(holds.iter().zip(results).map(of_one).collect())
        }
        Ending::Itself(Err(error)) => all(Failure::Panicked, &error.to_string()),
        Ending::Cancelled => all(Failure::Cancel, "the handler did not end within its grace"),
        Ending::TimedOut(time) => {
            let late = |hold| outcome_of(hold, Failure::TimedOut(time));
            Some(holds.iter().map(late).collect())
        }
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

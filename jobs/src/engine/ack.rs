use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;

use super::backend::Delivered;
use super::finish::{Ended, Outcome};
use super::hold::{Hold, expect_end, run_time};
use super::inflight::Interrupt;
use super::lane::{Delivery, LaneState};
use super::run::{Batch, Results, run_halving};
use super::{ClaimedJob, JobHandle, Shared};
use crate::Failure;
use crate::failure::printable;

/// The longest a job may be put off, whatever the other side asks for.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// A run that has begun.
struct Run {
    holds: Vec<Hold>,
    work: BoxFuture<'static, Results>,
    begun: Instant,
    /// How long it may take.
    time: Duration,
}

/// Runs what was delivered, and turns what the handlers returned into the jobs' outcomes; returns
/// when all of it has ended.
///
/// The handlers are begun one after the other in this task. One that is done at once costs no task,
/// no timer and no wait of its own; one that has to wait for something goes on in a task of its own,
/// beside the others.
pub(super) async fn run_all<F, Fut>(handler: F, delivered: Delivered)
where
    F: Fn(Batch) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<(), Failure>>> + Send + 'static,
{
    let Delivered {
        delivery: Delivery { runs, mut slots },
        lane,
        shared,
    } = delivered;
    let is_alone = runs.len() == 1;
    let mut ended = Vec::with_capacity(runs.len());
    let mut going = Vec::new();
    let mut begun = Instant::now();
    // Those that wait for the ones before them are not to wait for ever, either.
    for holds in &runs {
        expect_end(holds, begun);
    }
    for holds in runs {
        let holds = take_refused(holds, begun, &mut ended);
        if holds.is_empty() {
            continue;
        }
        let mut run = begin(&shared, &handler, holds, begun);
        match futures::poll!(&mut run.work) {
            Poll::Ready(results) => {
                let time = begun.elapsed();
                begun += time;
                note(&shared, &lane, &run.holds, time);
                ended.extend(settled(&run.holds, Ending::Itself(results), time));
            }
            Poll::Pending if is_alone => {
                shared.finishes.send(ended).await;
                return go_on(&shared, &lane, run).await;
            }
            Poll::Pending => {
                let (shared, lane, slot) = (Arc::clone(&shared), Arc::clone(&lane), slots.split(1));
                let rest = async move {
                    go_on(&shared, &lane, run).await;
                    drop(slot);
                };
                going.push(AbortOnDropHandle::new(tokio::spawn(rest)));
                begun = Instant::now();
            }
        }
    }
    shared.finishes.send(ended).await;
    drop(slots);
    futures::future::join_all(going).await;
}

/// Takes the jobs out that are not to begin, with their outcomes; leaves those that are.
fn take_refused(mut holds: Vec<Hold>, now: Instant, ended: &mut Vec<Ended>) -> Vec<Hold> {
    let refused = holds.extract_if(.., |hold| hold.refusal(now).is_some());
    ended.extend(refused.filter_map(|hold| {
        let outcome = outcome_of(&hold, hold.refusal(now)?);
        hold.lease.finish();
        Some(Ended {
            job: hold.job,
            outcome,
            run: Duration::ZERO,
        })
    }));
    holds
}

/// Begins to run jobs; nothing happens before it is polled.
fn begin<F, Fut>(shared: &Shared, handler: &F, holds: Vec<Hold>, begun: Instant) -> Run
where
    F: Fn(Batch) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<(), Failure>>> + Send + 'static,
{
    let handle = |hold: &Hold| {
        shared.notes.began(&hold.job, begun - hold.since);
        let (job, lease) = (Arc::clone(&hold.job), Arc::clone(&hold.lease));
        JobHandle::new(job, shared.session.id, lease)
    };
    let handles = holds.iter().map(handle).collect();
    let work = run_halving(handler.clone(), Batch { handles });
    let time = run_time(&holds, begun);
    expect_end(&holds, begun);
    Run {
        holds,
        work,
        begun,
        time,
    }
}

/// Waits until a run that has begun has ended, and hands over the outcomes.
async fn go_on(shared: &Shared, lane: &LaneState, mut run: Run) {
    let ending = until_ended(&mut run).await;
    let Run {
        holds, work, begun, ..
    } = run;
    drop_work(work);
    let time = begun.elapsed();
    note(shared, lane, &holds, time);
    let ended: Vec<Ended> = settled(&holds, ending, time).collect();
    if ended.is_empty() {
        let lost = holds.iter().map(|hold| (hold.job.id, hold.job.claim));
        shared.inflight.remove_all(lost);
    } else {
        shared.finishes.send(ended).await;
    }
}

/// Drops what a handler has left. What that drops may panic, which must not keep the outcome from
/// being committed.
fn drop_work(work: BoxFuture<'static, Results>) {
    if catch_unwind(AssertUnwindSafe(move || drop(work))).is_err() {
        tracing::error!("a handler panicked while it was dropped");
    }
}

/// How a run came to its end.
enum Ending {
    Itself(Results),
    Interrupted(Interrupt),
    /// It was cancelled, and did not end within its grace.
    Cancelled,
    TimedOut(Duration),
}

/// Runs until the work is done or has to end.
async fn until_ended(run: &mut Run) -> Ending {
    let Run {
        holds,
        work,
        begun,
        time,
    } = run;
    let left = time.saturating_sub(begun.elapsed());
    tokio::select! {
        biased;
        results = work => Ending::Itself(results),
        why = interrupted(holds) => Ending::Interrupted(why),
        () = cancelled(holds) => Ending::Cancelled,
        () = tokio::time::sleep(left) => Ending::TimedOut(*time),
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
        hold.lease.wait_cancelled().await;
        grace = grace.max(hold.job.flow.kind.cancel_grace);
    }
    tokio::time::sleep(grace).await;
}

/// Notes that a run has ended, however.
fn note(shared: &Shared, lane: &LaneState, holds: &[Hold], time: Duration) {
    lane.ran(time);
    for hold in holds {
        shared.notes.ran(hold.job.kind, time);
    }
    fail::fail_point!("job.before_finish");
}

/// The outcomes of a run; none when its jobs are somebody else's.
fn settled(holds: &[Hold], ending: Ending, run: Duration) -> impl Iterator<Item = Ended> {
    let outcomes = outcomes(holds, ending).into_iter().flatten();
    holds.iter().zip(outcomes).map(move |(hold, outcome)| {
        hold.lease.finish();
        Ended {
            job: Arc::clone(&hold.job),
            outcome,
            run,
        }
    })
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
        Ending::Itself(Results(results)) => {
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
    if hold.lease.is_cancelled() {
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

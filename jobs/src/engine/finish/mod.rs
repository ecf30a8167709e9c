//! Finishing: outcomes are gathered into few statements, fenced, and retried through outages.
//!
//! Each way of ending has a queue and a task of its own: a burial that takes its time, or keys and
//! limits that have to be locked, do not hold up plain successes.

pub(super) mod again;
mod end;
pub(super) mod end_sql;

use std::sync::Arc;
use std::time::{Duration, Instant};

use db::Result;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::dead::{self, Burial, DeadJob};
use super::{ClaimedJob, Shared};

/// The most outcomes one statement carries.
const MAX_BATCH: usize = 1000;
/// Outcomes that may wait to be committed, for each way of ending; then handlers wait.
const MAX_WAITING: usize = 10_000;
/// How long one step may take: a connection that swallows everything must not stop the lanes.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait between tries when the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(300);

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Done,
    Cancelled {
        reason: String,
    },
    /// Runs again after `after`; `outcome` is the name in the attempt log.
    Again {
        after: Duration,
        outcome: &'static str,
        error: String,
        give_back: bool,
    },
    /// Was never begun.
    GiveBack,
    Dead {
        outcome: &'static str,
        reason: String,
    },
}

/// An outcome on its way to the database.
pub(super) struct Ended {
    pub(super) job: Arc<ClaimedJob>,
    pub(super) outcome: Outcome,
    /// How long the handler ran.
    pub(super) run: Duration,
}

impl Ended {
    /// How it is committed.
    fn way(&self) -> Way {
        match self.outcome {
            Outcome::Done | Outcome::Cancelled { .. }
                if self.job.ordering_key.is_some() || !self.job.permits.is_empty() =>
            {
                Way::EndHeld(part(&self.job))
            }
            Outcome::Done | Outcome::Cancelled { .. } => Way::EndFree(free_part(self.job.id)),
            Outcome::Again { .. } | Outcome::GiveBack => Way::RunAgain,
            Outcome::Dead { .. } => Way::Bury,
        }
    }
}

/// How outcomes are committed.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// One statement moves one part of them to the history: while one part waits for its commit, the
    /// other works.
    EndFree(usize),
    /// The same for one part of the keys, and their keys and limits are let go.
    EndHeld(usize),
    RunAgain,
    Bury,
}

impl Way {
    /// Its place among the queues.
    const fn place(self) -> usize {
        match self {
            Self::EndHeld(part) => part,
            Self::EndFree(part) => HELD_PARTS + part,
            Self::RunAgain => HELD_PARTS + FREE_PARTS,
            Self::Bury => HELD_PARTS + FREE_PARTS + 1,
        }
    }

    /// The name in metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::EndFree(_) => "end_free",
            Self::EndHeld(_) => "end_held",
            Self::RunAgain => "run_again",
            Self::Bury => "bury",
        }
    }
}

/// How many parts the jobs with keys or limits are dealt into.
const HELD_PARTS: usize = 2;
/// How many parts the jobs without either are dealt into.
const FREE_PARTS: usize = 2;
/// Neighbours go to the same part, because they were claimed together and end together.
const NEIGHBOURS: i64 = 64;

/// Every way, in the order of the queues.
fn ways() -> impl Iterator<Item = Way> {
    let held = (0..HELD_PARTS).map(Way::EndHeld);
    let free = (0..FREE_PARTS).map(Way::EndFree);
    held.chain(free).chain([Way::RunAgain, Way::Bury])
}

/// The queues of outcomes, in the order of [`ways`].
pub(super) struct Finishes(Vec<mpsc::Sender<Ended>>);

/// The other ends of the queues.
pub(super) struct Queues(Vec<mpsc::Receiver<Ended>>);

pub(super) fn queues() -> (Finishes, Queues) {
    let pairs = ways().map(|_| mpsc::channel(MAX_WAITING));
    let (finishes, queues): (Vec<_>, Vec<_>) = pairs.unzip();
    (Finishes(finishes), Queues(queues))
}

impl Finishes {
    /// Hands over outcomes; they are committed soon.
    pub(super) async fn send(&self, ended: Vec<Ended>) {
        // Those who end together mostly end the same way: they take their places in the queue at once.
        let mut left = ended.into_iter().peekable();
        while let Some(first) = left.next() {
            let place = first.way().place();
            let mut alike = vec![first];
            while alike.len() < MAX_BATCH
                && let Some(next) = left.next_if(|next| next.way().place() == place)
            {
                alike.push(next);
            }
            let Some(queue) = self.0.get(place) else {
                continue;
            };
            // Nobody takes outcomes once the engine has ended; leases bring such jobs back.
            if let Ok(permits) = queue.reserve_many(alike.len()).await {
                for (permit, ended) in permits.zip(alike) {
                    permit.send(ended);
                }
            }
        }
    }
}

/// Jobs of one key always go the same way, so that no two ways wait for each other's keys.
fn part(job: &ClaimedJob) -> usize {
    let bytes = job.ordering_key.as_deref().unwrap_or_default().bytes();
    bytes.fold(0_usize, |sum, byte| sum.wrapping_add(byte.into())) % HELD_PARTS
}

fn free_part(id: i64) -> usize {
    usize::try_from(id / NEIGHBOURS).unwrap_or_default() % FREE_PARTS
}

/// Starts a task for each queue. They end when the engine's end is told and nothing is left.
pub(super) fn start(shared: &Arc<Shared>, queues: Queues, tasks: &TaskTracker) {
    for (way, mut queue) in ways().zip(queues.0) {
        let shared = Arc::clone(shared);
        tasks.spawn(async move {
            let mut batch = Vec::new();
            loop {
                let received = tokio::select! {
                    biased;
                    received = queue.recv_many(&mut batch, MAX_BATCH) => received,
                    () = shared.last_outcome.cancelled() => 0,
                };
                if received == 0 {
                    return;
                }
                commit(&shared, way, &batch).await;
                batch.clear();
            }
        });
    }
}

async fn commit(shared: &Shared, way: Way, batch: &[Ended]) {
    // A refusal that is no outage is one row's fault: the others must not pay for it.
    if !until_committed(shared, way, batch).await && batch.len() > 1 {
        for one in batch.chunks(1) {
            until_committed(shared, way, one).await;
        }
    }
    let holds = batch.iter().map(|ended| (ended.job.id, ended.job.claim));
    shared.inflight.remove_all(holds);
}

/// Repeats a step until the database has done it. False: it refuses; the leases bring the jobs back.
async fn until_committed(shared: &Shared, way: Way, ended: &[Ended]) -> bool {
    loop {
        let taken = async {
            match way {
                Way::EndFree(_) => end::free(shared, ended).await,
                Way::EndHeld(_) => end::held(shared, ended).await,
                Way::RunAgain => again::run_again(shared, ended).await,
                Way::Bury => bury(shared, ended).await,
            }
        };
        let begun = Instant::now();
        let taken = tokio::time::timeout(STEP_TIMEOUT, taken).await;
        let took = begun.elapsed();
        shared.notes.finish_took(way.as_str(), took, ended);
        match taken {
            Ok(Ok(())) => return true,
            Ok(Err(error)) if error.is_unavailable() => {
                tracing::warn!(error = %error, "outcomes could not be committed yet");
                tokio::time::sleep(OUTAGE_PAUSE).await;
            }
            Ok(Err(error)) => {
                tracing::error!(error = ?error, jobs = ended.len(), "outcomes were refused");
                return false;
            }
            Err(_) => tracing::warn!("committing outcomes took too long, once more"),
        }
    }
}

async fn bury(shared: &Shared, dying: &[Ended]) -> Result<()> {
    for ended in dying {
        let Outcome::Dead { outcome, reason } = &ended.outcome else {
            continue;
        };
        let dead = DeadJob {
            job: Arc::clone(&ended.job),
            reason: reason.clone(),
        };
        let burial = Burial::of_own(shared.session.id, outcome);
        let buried = dead::bury(shared, &dead, burial).await?;
        if buried {
            shared.notes.ended(&ended.job, &ended.outcome, ended.run);
        }
        note_lost(1, usize::from(buried));
    }
    Ok(())
}

/// Whether statements that finish jobs do so only for who holds them. Only a build with failpoints can
/// do without, to see whether that is noticed.
fn is_fenced() -> bool {
    fail::fail_point!("finish.unfenced", |_| false);
    true
}

/// Notes the outcomes of the jobs that were still this process's; `ids` are sorted.
fn note_ended(shared: &Shared, batch: &[Ended], ids: &[i64]) {
    for ended in batch {
        if ids.binary_search(&ended.job.id).is_ok() {
            shared.notes.ended(&ended.job, &ended.outcome, ended.run);
        }
    }
    note_lost(batch.len(), ids.len());
}

fn note_lost(sent: usize, committed: usize) {
    if committed < sent {
        tracing::warn!(
            lost = sent - committed,
            "outcomes came after their lease was lost"
        );
    }
}

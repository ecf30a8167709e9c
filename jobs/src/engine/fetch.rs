use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::finish::{Finish, Outcome};
use super::inflight::Lease;
use super::{ClaimedJob, Shared, claim};
use crate::Lane;

/// The most jobs one statement claims.
const MAX_BATCH: usize = 500;
/// How long a busy lane lets slots gather, so that it does not claim one job at a time.
const GATHER: Duration = Duration::from_millis(1);
/// How long a claim may take. One that the server carried out all the same is held by nobody, and
/// its leases run out.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);

/// A claimed job on its way to a handler, with the slot it takes.
pub(super) struct Delivery {
    pub(super) job: Arc<ClaimedJob>,
    pub(super) lease: Arc<Lease>,
    pub(super) slot: OwnedSemaphorePermit,
}

/// Keeps the slots of a lane filled until the engine stops. Trouble with the database is waited
/// out here; a worker never hears of it.
pub(super) async fn run(
    shared: Arc<Shared>,
    lane: Lane,
    slots: usize,
    claimed: mpsc::Sender<Delivery>,
) {
    let free = Arc::new(Semaphore::new(slots));
    while !shared.stop.is_cancelled() {
        let Some(wanted) = wait_for_slots(&shared, &free).await else {
            break;
        };
        let claim = claim::claim(&shared, lane, wanted);
        match tokio::time::timeout(CLAIM_TIMEOUT, claim).await {
            Ok(Ok((jobs, until))) => {
                let full = jobs.len() == wanted;
                for job in jobs {
                    let lease = shared.inflight.insert(job.id, job.claim, until);
                    let job = Arc::new(job);
                    hand_over(&shared, &free, &claimed, job, lease).await;
                }
                if !full {
                    wait_for_work(&shared, lane).await;
                }
            }
            Err(_) => tracing::warn!(lane = lane.as_str(), "claiming jobs took too long"),
            Ok(Err(error)) => {
                tracing::warn!(error = %error, lane = lane.as_str(), "jobs could not be claimed");
                let pause = tokio::time::sleep(OUTAGE_PAUSE);
                shared.stop.run_until_cancelled(pause).await;
            }
        }
    }
}

/// Waits for a free slot and says how many there are; `None` when the engine stops.
async fn wait_for_slots(shared: &Shared, free: &Arc<Semaphore>) -> Option<usize> {
    if free.available_permits() == 0 {
        let slot = shared.stop.run_until_cancelled(free.acquire()).await?;
        drop(slot);
        tokio::time::sleep(GATHER).await;
    }
    Some(free.available_permits().clamp(1, MAX_BATCH))
}

/// Waits for a signal, or for the next poll.
async fn wait_for_work(shared: &Shared, lane: Lane) {
    let Some(wake) = shared.wake_lanes.get(&lane) else {
        return;
    };
    let wait = tokio::time::timeout(shared.options.poll, wake.notified());
    shared.stop.run_until_cancelled(wait).await;
}

/// Passes a job on with its slot; one that finds the engine stopped goes back unbegun.
async fn hand_over(
    shared: &Shared,
    free: &Arc<Semaphore>,
    claimed: &mpsc::Sender<Delivery>,
    job: Arc<ClaimedJob>,
    lease: Arc<Lease>,
) {
    let slot = Arc::clone(free).acquire_owned().await;
    let unbegun = match slot {
        Ok(slot) if !shared.stop.is_cancelled() => {
            match claimed.send(Delivery { job, lease, slot }).await {
                Ok(()) => return,
                Err(refused) => refused.0.job,
            }
        }
        _ => job,
    };
    give_back(shared, &unbegun).await;
}

/// Returns a job that was never begun, and the attempt with it.
pub(super) async fn give_back(shared: &Shared, job: &Arc<ClaimedJob>) {
    let finish = Finish::Job {
        job: Arc::clone(job),
        outcome: Outcome::GiveBack,
    };
    shared.finishes.send(finish).await.ok();
}

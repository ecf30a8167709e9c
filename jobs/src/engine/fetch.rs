//! Keeping the slots of a lane filled: one task claims, another hands out.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::Shared;
use super::claim::{self, Claimed, Hold};
use super::finish::Outcome;
use super::inflight::lock;
use super::ready::{Pick, Ready, Took};
use crate::Lane;

/// The most slots one statement claims for.
const MAX_BATCH: usize = 500;
/// How much work a lane claims ahead: what its slots get done in this time. Slow handlers claim
/// nothing ahead, so that other processes can have it.
const AHEAD: Duration = Duration::from_millis(10);
/// The most jobs that are claimed ahead.
const MAX_AHEAD: usize = 1000;
/// The most jobs that one statement claims beyond what is claimed ahead.
const MAX_EXTRA: usize = 16;
/// How long a claimed job waits for a slot before it is given back.
const STALE: Duration = Duration::from_secs(2);
/// How long a busy lane lets slots gather, so that it does not claim one job at a time.
const GATHER: Duration = Duration::from_millis(1);
/// How long a claim may take. One that the server carried out all the same is held by nobody, and
/// its leases run out.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);

/// Claimed jobs of one flow on their way to a handler, with the slot they take.
pub(super) struct Delivery {
    pub(super) holds: Vec<Hold>,
    pub(super) slot: OwnedSemaphorePermit,
}

/// One lane of this process.
pub(super) struct LaneState {
    pub(super) lane: Lane,
    pub(super) slots: usize,
    free: Arc<Semaphore>,
    /// A slot waits for a job that is not there.
    hungry: AtomicBool,
    pub(super) ready: Mutex<Ready<Hold>>,
    /// There may be something to claim, or a slot to claim for.
    pub(super) wake: Notify,
    /// Something was claimed.
    filled: Notify,
    /// How long a run takes, in microseconds, averaged over the last few.
    run_micros: AtomicU64,
}

impl LaneState {
    pub(super) fn new(lane: Lane, slots: usize) -> Self {
        let slots = slots.max(1);
        Self {
            lane,
            slots,
            free: Arc::new(Semaphore::new(slots)),
            hungry: AtomicBool::new(false),
            ready: Mutex::new(Ready::default()),
            wake: Notify::new(),
            filled: Notify::new(),
            // Until something has run: nothing ahead.
            run_micros: AtomicU64::new(u64::from(u32::MAX)),
        }
    }

    /// Notes how long a run took.
    pub(super) fn ran(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.run_micros.load(Ordering::Relaxed);
        // A race between two runs loses one of them, which an average can bear.
        let new = (old.saturating_mul(7) / 8)
            .saturating_add(micros / 8)
            .max(1);
        self.run_micros.store(new, Ordering::Relaxed);
    }

    /// How many slots run nothing.
    pub(super) fn free(&self) -> usize {
        self.free.available_permits() + usize::from(self.hungry.load(Ordering::SeqCst))
    }

    fn ahead(&self) -> usize {
        let micros = self.run_micros.load(Ordering::Relaxed).max(1);
        let per_slot = u64::try_from(AHEAD.as_micros()).unwrap_or(u64::MAX) * self.slots as u64;
        usize::try_from(per_slot / micros)
            .unwrap_or(MAX_AHEAD)
            .min(MAX_AHEAD)
    }

    /// How many more jobs may be claimed for tenants that have none claimed, while enough is.
    fn extra(&self, buffered: usize) -> usize {
        let most = self.free() + 2 * self.ahead();
        most.saturating_sub(buffered).min(MAX_EXTRA)
    }

    /// For how many slots to claim now; zero while enough is claimed ahead.
    fn wanted(&self, buffered: usize) -> usize {
        let (free, ahead) = (self.free(), self.ahead());
        if buffered > free && (buffered - free) * 2 > ahead {
            return 0;
        }
        (free + ahead).saturating_sub(buffered).min(MAX_BATCH)
    }
}

/// Claims for a lane until the engine stops. Trouble with the database is waited out here; a worker
/// never hears of it.
pub(super) async fn claim_for_ever(shared: Arc<Shared>, lane: Arc<LaneState>) {
    while !shared.stop.is_cancelled() {
        let picks = next_picks(&shared, &lane);
        if picks.is_empty() {
            wait(&shared, &lane).await;
            continue;
        }
        let asked = picks.clone();
        let begun = Instant::now();
        let claimed = tokio::time::timeout(CLAIM_TIMEOUT, claim::claim(&shared, picks)).await;
        shared.notes.claim_took(lane.lane, begun.elapsed());
        match claimed {
            Ok(Ok((claimed, until))) => take_in(&shared, &lane, claimed, until),
            failed => {
                {
                    let mut ready = lock(&lane.ready);
                    for pick in &asked {
                        ready.claimed(pick, Took::Unknown, Vec::new(), Instant::now());
                    }
                }
                if let Ok(Err(error)) = failed {
                    tracing::warn!(error = %error, lane = lane.lane.as_str(),
                        "jobs could not be claimed");
                    let pause = tokio::time::sleep(OUTAGE_PAUSE);
                    shared.stop.run_until_cancelled(pause).await;
                } else {
                    tracing::warn!(lane = lane.lane.as_str(), "claiming jobs took too long");
                }
            }
        }
    }
    let left = lock(&lane.ready).take_stale(Duration::ZERO);
    give_back(&shared, left).await;
}

fn next_picks(shared: &Shared, lane: &LaneState) -> Vec<Pick> {
    let mut ready = lock(&lane.ready);
    let wanted = lane.wanted(ready.buffered());
    if wanted > 0 {
        return ready.pick(wanted, shared.options.unstarted_per_tenant, Instant::now());
    }
    // Enough is claimed ahead; but a tenant of whom nothing is does not wait for that.
    let extra = lane.extra(ready.buffered());
    ready.pick(extra, 1, Instant::now())
}

/// Waits for work, for a slot, for a limit to let somebody go, or for the next look.
async fn wait(shared: &Shared, lane: &LaneState) {
    let until = {
        let ready = lock(&lane.ready);
        let look = Instant::now() + shared.options.poll;
        ready.next_try().map_or(look, |next| next.min(look))
    };
    let woken = lane.wake.notified();
    let wait = tokio::time::timeout_at(until.into(), woken);
    shared.stop.run_until_cancelled(wait).await;
    if lane.slots > 1 && lane.free() <= 1 && lane.ahead() == 0 {
        tokio::time::sleep(GATHER).await;
    }
}

fn take_in(shared: &Shared, lane: &LaneState, claimed: Vec<Claimed>, until: Instant) {
    let now = Instant::now();
    let (mut picked, mut got) = (0, 0);
    let mut ready = lock(&lane.ready);
    for Claimed { pick, took, jobs } in claimed {
        picked += pick.want;
        got += jobs.len();
        shared.notes.claimed(pick.flow.kind.name, jobs.len());
        if matches!(took, Took::Limited { .. }) {
            shared.notes.limited(pick.flow.tenant);
        }
        let holds = jobs
            .into_iter()
            .map(|job| Hold {
                since: now,
                lease: shared.inflight.insert(job.id, job.claim, until),
                job: Arc::new(job),
            })
            .collect();
        ready.claimed(&pick, took, holds, now);
    }
    ready.adapt(picked, got);
    drop(ready);
    if got > 0 {
        lane.filled.notify_one();
    }
}

/// Gives claimed jobs to the lane's handlers as slots become free.
pub(super) async fn hand_out_for_ever(
    shared: Arc<Shared>,
    lane: Arc<LaneState>,
    out: mpsc::Sender<Delivery>,
) {
    loop {
        let slot = shared
            .stop
            .run_until_cancelled(Arc::clone(&lane.free).acquire_owned())
            .await;
        let Some(Ok(slot)) = slot else {
            return;
        };
        let Some(holds) = next_holds(&shared, &lane).await else {
            return;
        };
        if let Err(refused) = out.send(Delivery { holds, slot }).await {
            give_back(&shared, refused.0.holds).await;
            return;
        }
    }
}

/// Waits for the job that begins next; `None` when the engine stops.
async fn next_holds(shared: &Shared, lane: &LaneState) -> Option<Vec<Hold>> {
    loop {
        if shared.stop.is_cancelled() {
            return None;
        }
        let (holds, may_claim) = pop(lane);
        if may_claim {
            lane.wake.notify_one();
        }
        let (holds, lost): (Vec<Hold>, Vec<Hold>) =
            holds.into_iter().partition(|hold| hold.lease.is_alive());
        drop_lost(shared, &lost);
        if !holds.is_empty() {
            return Some(holds);
        }
        if !lost.is_empty() {
            continue;
        }
        lane.hungry.store(true, Ordering::SeqCst);
        lane.wake.notify_one();
        let filled = lane.filled.notified();
        shared.stop.run_until_cancelled(filled).await;
        lane.hungry.store(false, Ordering::SeqCst);
    }
}

/// Lets go of jobs whose lease ran out while they waited: somebody else has them, or will.
fn drop_lost(shared: &Shared, lost: &[Hold]) {
    for hold in lost {
        tracing::warn!(job.id = hold.job.id, "not begun: the lease is lost");
    }
    let holds = lost.iter().map(|hold| (hold.job.id, hold.job.claim));
    shared.inflight.remove_all(holds);
}

/// The job that begins next, with others of its flow when its kind takes several. One that failed
/// before runs alone: it may be what broke the others.
/// Also says whether there is room, and something, to claim.
fn pop(lane: &LaneState) -> (Vec<Hold>, bool) {
    let mut ready = lock(&lane.ready);
    let mut holds: Vec<Hold> = ready.pop().into_iter().collect();
    if let Some(first) = holds.first()
        && first.job.flow.kind.batch > 1
        && first.job.attempt == 1
    {
        let (flow, most) = (first.job.flow.id, first.job.flow.kind.batch - 1);
        holds.append(&mut ready.pop_more(flow, most, |hold| hold.job.attempt == 1));
    }
    let may_claim = !ready.is_idle() && lane.wanted(ready.buffered()) > 0;
    (holds, may_claim)
}

/// Gives back, from time to time, what was claimed ahead and finds no slot.
pub(super) async fn give_back_stale(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(STALE / 2).await;
        for lane in shared.lanes.values() {
            let stale = lock(&lane.ready).take_stale(STALE);
            give_back(&shared, stale).await;
        }
    }
}

/// Returns jobs that were never begun, and the attempts with them.
pub(super) async fn give_back(shared: &Shared, holds: Vec<Hold>) {
    for hold in holds {
        let outcome = Outcome::GiveBack;
        shared
            .finishes
            .send(hold.job, outcome, Duration::ZERO)
            .await;
    }
}

//! Keeping the slots of a lane filled: one task claims, another hands out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Shared;
use super::claim::{self, Claimed};
use super::finish::{Ended, Outcome};
use super::hold::Hold;
use super::inflight::lock;
use super::lane::{Delivery, LaneState};
use super::ready::{Pick, Ready, Took};

/// How many claims of a lane are on their way at a time: while one waits for its commit, the other
/// works.
const MAX_CLAIMS: usize = 2;
/// The least that a claim asks for beside another one.
const MANY: usize = 256;
/// How long a claimed job waits for a slot before it is given back.
const STALE: Duration = Duration::from_secs(2);
/// How long a busy lane lets slots gather, so that it does not claim one job at a time.
const GATHER: Duration = Duration::from_millis(1);
/// How long a claim may take. One that the server carried out all the same is held by nobody, and
/// its leases run out.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);

/// Claims for a lane until the engine stops. Trouble with the database is waited out here; a worker
/// never hears of it.
pub(super) async fn claim_for_ever(shared: Arc<Shared>, lane: Arc<LaneState>) {
    let mut claims = FuturesUnordered::new();
    while !shared.stop.is_cancelled() {
        if claims.is_empty() {
            match next_picks(&shared, &lane) {
                picks if picks.is_empty() => wait(&shared, &lane).await,
                picks => claims.push(claim(&shared, &lane, picks)),
            }
            continue;
        }
        if claims.len() < MAX_CLAIMS {
            let picks = picks_beside(&shared, &lane);
            if !picks.is_empty() {
                claims.push(claim(&shared, &lane, picks));
                continue;
            }
        }
        tokio::select! {
            _ = claims.next() => {}
            () = lane.wake.notified(), if claims.len() < MAX_CLAIMS => {}
        }
    }
    while claims.next().await.is_some() {}
    let left = lock(&lane.ready).take_stale(Duration::ZERO);
    give_back(&shared, left).await;
}

/// Claims what was picked, and answers for it.
async fn claim(shared: &Shared, lane: &LaneState, picks: Vec<Pick>) {
    let asked = picks.clone();
    let begun = Instant::now();
    let claimed = tokio::time::timeout(CLAIM_TIMEOUT, claim::claim(shared, picks)).await;
    let found: &[Claimed] = match &claimed {
        Ok(Ok((found, _))) => found.as_slice(),
        _ => &[],
    };
    let took = begun.elapsed();
    shared.notes.claim_took(lane.lane, took, found);
    if let Ok(Ok((claimed, until))) = claimed {
        return take_in(shared, lane, claimed, until);
    }
    {
        let mut ready = lock(&lane.ready);
        for pick in &asked {
            ready.claimed(pick, Took::Unknown, Vec::new(), Instant::now());
        }
    }
    lane.is_deep.store(false, Ordering::Relaxed);
    if let Ok(Err(error)) = claimed {
        tracing::warn!(error = %error, lane = lane.lane.as_str(), "jobs could not be claimed");
        let pause = tokio::time::sleep(OUTAGE_PAUSE);
        shared.stop.run_until_cancelled(pause).await;
    } else {
        tracing::warn!(lane = lane.lane.as_str(), "claiming jobs took too long");
    }
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

/// What to claim while another claim is on its way: only what is worth a statement, and only where
/// the last claim found all that it asked for.
fn picks_beside(shared: &Shared, lane: &LaneState) -> Vec<Pick> {
    let mut ready = lock(&lane.ready);
    let wanted = lane.wanted(ready.buffered());
    if wanted < MANY || !lane.is_deep.load(Ordering::Relaxed) {
        return Vec::new();
    }
    ready.pick(wanted, shared.options.unstarted_per_tenant, Instant::now())
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
    for Claimed {
        pick,
        took,
        jobs,
        is_spent,
    } in claimed
    {
        picked += pick.want;
        got += jobs.len();
        shared.notes.claimed(pick.flow.kind.name, jobs.len());
        if is_spent {
            shared.notes.limited(pick.flow.tenant);
        }
        let holds = jobs
            .into_iter()
            .map(|job| Hold {
                since: now,
                lease: shared.inflight.insert(&job, until),
                job: Arc::new(job),
            })
            .collect();
        ready.claimed(&pick, took, holds, now);
    }
    ready.adapt(picked, got);
    drop(ready);
    let is_deep = picked >= MANY && got == picked;
    lane.is_deep.store(is_deep, Ordering::Relaxed);
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
        let Some(Ok(mut slots)) = slot else {
            return;
        };
        let Some(runs) = next_runs(&shared, &lane, &mut slots).await else {
            return;
        };
        if let Err(refused) = out.send(Delivery { runs, slots }).await {
            give_back(&shared, refused.0.into_holds()).await;
            return;
        }
    }
}

/// Waits for the runs that begin next; `None` when the engine stops.
async fn next_runs(
    shared: &Shared,
    lane: &LaneState,
    slots: &mut OwnedSemaphorePermit,
) -> Option<Vec<Vec<Hold>>> {
    loop {
        if shared.stop.is_cancelled() {
            return None;
        }
        let (mut runs, may_claim) = pop(lane, slots);
        if may_claim {
            lane.wake.notify_one();
        }
        let lost = take_lost(&mut runs);
        drop_lost(shared, &lost);
        if !runs.is_empty() {
            return Some(runs);
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

/// Takes the jobs out whose lease ran out.
fn take_lost(runs: &mut Vec<Vec<Hold>>) -> Vec<Hold> {
    let now = Instant::now();
    let mut lost = Vec::new();
    for holds in runs.iter_mut() {
        lost.extend(holds.extract_if(.., |hold| !hold.lease.is_alive_at(now)));
    }
    runs.retain(|holds| !holds.is_empty());
    lost
}

/// Lets go of jobs whose lease ran out while they waited: somebody else has them, or will.
fn drop_lost(shared: &Shared, lost: &[Hold]) {
    for hold in lost {
        tracing::warn!(job.id = hold.job.id, "not begun: the lease is lost");
    }
    let holds = lost.iter().map(|hold| (hold.job.id, hold.job.claim));
    shared.inflight.remove_all(holds);
}

/// The runs that begin next, as many as are handed out together, with a slot each.
/// Also says whether there is room, and something, to claim.
fn pop(lane: &LaneState, slots: &mut OwnedSemaphorePermit) -> (Vec<Vec<Hold>>, bool) {
    lane.take_more(slots);
    let mut ready = lock(&lane.ready);
    let runs: Vec<Vec<Hold>> = std::iter::from_fn(|| pop_run(&mut ready))
        .take(slots.num_permits())
        .collect();
    // The last one is kept for what comes next.
    drop(slots.split(slots.num_permits() - runs.len().max(1)));
    let may_claim = !ready.is_idle() && lane.wanted(ready.buffered()) > 0;
    (runs, may_claim)
}

/// The job that begins next, with others of its flow when its kind takes several. One that failed
/// before runs alone: it may be what broke the others.
fn pop_run(ready: &mut Ready<Hold>) -> Option<Vec<Hold>> {
    let mut holds = vec![ready.pop()?];
    if let Some(first) = holds.first()
        && first.job.flow.kind.batch > 1
        && first.job.attempt == 1
    {
        let (flow, most) = (first.job.flow.id, first.job.flow.kind.batch - 1);
        holds.append(&mut ready.pop_more(flow, most, |hold| hold.job.attempt == 1));
    }
    Some(holds)
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
    let ended = holds.into_iter().map(|hold| Ended {
        job: hold.job,
        outcome: Outcome::GiveBack,
        run: Duration::ZERO,
    });
    shared.finishes.send(ended.collect()).await;
}

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::ClaimedJob;

/// Why a run is not to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// Somebody else has the job: drop what is being done.
    Lost,
    /// The process ends: drop what is being done and give it back.
    Released,
}

/// This process's hold on one job, from the claim until its outcome is committed.
///
/// Every job has one and hardly any ever waits for it: it allocates nothing beyond itself.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) claim: i32,
    kind: &'static str,
    /// Until when nobody else can have it, by the steady clock, which goes on while we are stopped.
    until: Mutex<Instant>,
    /// The handler has ended; its outcome waits to be committed.
    finishing: AtomicBool,
    /// When the run has ended at the latest; `None`: it is not known.
    end_by: Mutex<Option<Instant>>,
    /// It did not end by then, and is not renewed any more.
    is_overdue: AtomicBool,
    why: OnceLock<Interrupt>,
    /// Somebody wants the job ended; the handler is told and has a while.
    is_cancelled: AtomicBool,
    /// Told of `why` and of `is_cancelled`.
    changed: Notify,
}

impl Lease {
    pub(super) fn is_alive(&self) -> bool {
        self.is_alive_at(Instant::now())
    }

    pub(super) fn is_alive_at(&self, now: Instant) -> bool {
        !self.is_lost() && now < *lock(&self.until)
    }

    fn is_lost(&self) -> bool {
        self.why.get() == Some(&Interrupt::Lost)
    }

    /// Notes that the handler has ended.
    pub(super) fn finish(&self) {
        self.finishing.store(true, Ordering::SeqCst);
    }

    /// Notes when the run has ended at the latest.
    pub(super) fn expect_end(&self, by: Option<Instant>) {
        *lock(&self.end_by) = by;
    }

    /// Whether the handler should have ended by now.
    fn is_overdue_at(&self, now: Instant) -> bool {
        !self.finishing.load(Ordering::SeqCst) && lock(&self.end_by).is_some_and(|by| by < now)
    }

    fn interrupt(&self, why: Interrupt) {
        if self.why.set(why).is_ok() {
            self.changed.notify_waiters();
        }
    }

    fn cancel(&self) {
        if !self.is_cancelled.swap(true, Ordering::SeqCst) {
            self.changed.notify_waiters();
        }
    }

    /// Whether somebody wants the job ended.
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Waits until the run is not to go on, and says why.
    pub(super) async fn wait_interrupted(&self) -> Interrupt {
        self.wait_for(|lease| lease.why.get().copied()).await
    }

    /// Waits until somebody wants the job ended.
    pub(super) async fn wait_cancelled(&self) {
        self.wait_for(|lease| lease.is_cancelled().then_some(()))
            .await;
    }

    async fn wait_for<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before the look: a change between the look and the wait must not be missed.
            changed.as_mut().enable();
            if let Some(found) = look(self) {
                return found;
            }
            changed.await;
        }
    }
}

/// What a heartbeat learned of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// It holds anew.
    Renewed,
    /// The row was locked, by a transaction of the job's own: it is as it was.
    Busy,
}

/// The jobs in the hands of this process.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    leases: Mutex<HashMap<i64, Arc<Lease>>>,
    /// Jobs that somebody cancelled lately and that this process does not have: the answer to their
    /// claim may be on its way.
    cancelled: Mutex<HashMap<i64, Instant>>,
    /// The kinds of leases that turned out to be lost between two heartbeats.
    lost: Mutex<Vec<&'static str>>,
    emptied: Notify,
}

/// What a heartbeat has to renew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Every (id, claim).
    pub(super) holds: Vec<(i64, i32)>,
    /// The kind of each lease that was lost, or let go, since the heartbeat before.
    pub(super) lost: Vec<&'static str>,
}

/// For how long a cancel is remembered: longer than a claim takes.
const REMEMBERED: Duration = Duration::from_secs(15);
/// The most cancels that are remembered.
const MOST_REMEMBERED: usize = 10_000;

impl InFlight {
    /// Notes a claim that surely holds until `until`.
    pub(super) fn insert(&self, job: &ClaimedJob, until: Instant) -> Arc<Lease> {
        self.hold(job.id, job.claim, job.kind, until)
    }

    fn hold(&self, id: i64, claim: i32, kind: &'static str, until: Instant) -> Arc<Lease> {
        let lease = Arc::new(Lease {
            claim,
            kind,
            until: Mutex::new(until),
            finishing: AtomicBool::new(false),
            end_by: Mutex::new(None),
            is_overdue: AtomicBool::new(false),
            why: OnceLock::new(),
            is_cancelled: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let earlier = {
            let mut leases = lock(&self.leases);
            let cancelled = lock(&self.cancelled).remove(&id);
            if cancelled.is_some_and(|at| at.elapsed() < REMEMBERED) {
                lease.cancel();
            }
            leases.insert(id, Arc::clone(&lease))
        };
        if let Some(earlier) = earlier {
            // It has ended, was let go, or was lost without anybody having noticed.
            if !earlier.finishing.load(Ordering::SeqCst)
                && !earlier.is_overdue.load(Ordering::SeqCst)
            {
                lock(&self.lost).push(earlier.kind);
            }
            earlier.interrupt(Interrupt::Lost);
        }
        lease
    }

    /// Forgets jobs whose outcome is committed. A later hold on the same job stays.
    pub(super) fn remove_all(&self, holds: impl IntoIterator<Item = (i64, i32)>) {
        let mut leases = lock(&self.leases);
        for (id, claim) in holds {
            if leases.get(&id).is_some_and(|lease| lease.claim == claim) {
                leases.remove(&id);
            }
        }
        if leases.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// What is to be renewed. A run that should have ended long ago blocks its thread, where nothing can
    /// end it: its lease is let go, so that another worker takes its job.
    pub(super) fn held(&self, now: Instant) -> Held {
        let mut held = Held {
            lost: std::mem::take(&mut *lock(&self.lost)),
            ..Held::default()
        };
        for (id, lease) in lock(&self.leases).iter() {
            if !lease.is_overdue_at(now) {
                held.holds.push((*id, lease.claim));
            } else if !lease.is_overdue.swap(true, Ordering::SeqCst) {
                tracing::warn!(job.id = id, "a handler does not end: its lease is let go");
                held.lost.push(lease.kind);
            }
        }
        held
    }

    /// Notes what a heartbeat that asked for `asked` learned: leases it does not name are lost. Returns
    /// the kind of each of those.
    pub(super) fn beat(
        &self,
        asked: &[(i64, i32)],
        learned: &HashMap<i64, Beat>,
        until: Instant,
    ) -> Vec<&'static str> {
        let leases = lock(&self.leases);
        let mut lost = Vec::new();
        for (id, claim) in asked {
            let Some(lease) = leases.get(id).filter(|lease| lease.claim == *claim) else {
                continue;
            };
            match learned.get(id) {
                Some(Beat::Renewed) => *lock(&lease.until) = until,
                Some(Beat::Busy) => {}
                // Its outcome may have been committed while the heartbeat was on its way.
                None if lease.finishing.load(Ordering::SeqCst) => {}
                None => {
                    lease.interrupt(Interrupt::Lost);
                    lost.push(lease.kind);
                }
            }
        }
        lost
    }

    /// Tells the handler of a job that it is cancelled, if this process has it, or is about to.
    pub(super) fn cancel(&self, id: i64) {
        let leases = lock(&self.leases);
        match leases.get(&id) {
            Some(lease) => lease.cancel(),
            None => self.remember(id, Instant::now()),
        }
    }

    fn remember(&self, id: i64, now: Instant) {
        let mut cancelled = lock(&self.cancelled);
        if cancelled.len() >= MOST_REMEMBERED {
            cancelled.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        }
        if cancelled.len() >= MOST_REMEMBERED {
            cancelled.clear();
        }
        cancelled.insert(id, now);
    }

    /// Asks every running job to be dropped and given back.
    pub(super) fn release_all(&self) {
        for lease in lock(&self.leases).values() {
            lease.interrupt(Interrupt::Released);
        }
    }

    pub(super) async fn wait_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if lock(&self.leases).is_empty() {
                return;
            }
            tokio::time::timeout(Duration::from_millis(200), emptied)
                .await
                .ok();
        }
    }
}

/// A panic while one of these short locks is held leaves the map whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn a_cancel_that_comes_before_the_answer_to_its_claim_is_heeded() {
        let inflight = InFlight::default();
        inflight.cancel(7);
        assert!(inflight.hold(7, 1, "probe", soon()).is_cancelled());
        assert!(!inflight.hold(8, 1, "probe", soon()).is_cancelled());
        inflight.cancel(8);
        // It was told to who had the job then.
        assert!(!inflight.hold(8, 2, "probe", soon()).is_cancelled());
    }

    #[test]
    fn cancels_of_jobs_that_others_have_are_forgotten() {
        let inflight = InFlight::default();
        let long_ago = Instant::now().checked_sub(REMEMBERED).unwrap();
        inflight.remember(-1, long_ago);
        assert!(!inflight.hold(-1, 1, "probe", soon()).is_cancelled());
        for id in 0..3 * MOST_REMEMBERED {
            inflight.cancel(i64::try_from(id).unwrap());
        }
        assert!(lock(&inflight.cancelled).len() <= MOST_REMEMBERED);
    }

    #[test]
    fn a_run_that_should_have_ended_is_let_go_once() {
        let inflight = InFlight::default();
        let lease = inflight.hold(1, 4, "probe", soon());
        let now = Instant::now();
        let after = now + Duration::from_secs(1);
        let all = Held {
            holds: vec![(1, 4)],
            lost: Vec::new(),
        };
        assert_eq!(inflight.held(after), all, "it has not begun");
        lease.expect_end(Some(now));
        assert_eq!(inflight.held(now), all);
        let gone = |lost: &[&'static str]| Held {
            holds: Vec::new(),
            lost: lost.to_vec(),
        };
        assert_eq!(inflight.held(after), gone(&["probe"]));
        assert_eq!(inflight.held(after), gone(&[]));
        // Its outcome waits for the database: that may take as long as it takes.
        lease.finish();
        assert_eq!(inflight.held(after), all);
    }

    #[test]
    fn a_lease_that_is_found_lost_by_the_next_claim_counts_as_lost() {
        let inflight = InFlight::default();
        let first = inflight.hold(1, 1, "probe", soon());
        let second = inflight.hold(1, 2, "probe", soon());
        assert!(first.is_lost() && !second.is_lost());
        assert_eq!(inflight.held(Instant::now()).lost, ["probe"]);
        // This one ended, and its job is to run again.
        second.finish();
        inflight.hold(1, 3, "probe", soon());
        assert!(inflight.held(Instant::now()).lost.is_empty());
    }
}

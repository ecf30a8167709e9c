use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

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
    /// Until when nobody else can have it, by the steady clock, which goes on while we are stopped.
    until: Mutex<Instant>,
    /// The handler has ended; its outcome waits to be committed.
    finishing: AtomicBool,
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
    emptied: Notify,
}

impl InFlight {
    /// Notes a claim that surely holds until `until`.
    pub(super) fn insert(&self, id: i64, claim: i32, until: Instant) -> Arc<Lease> {
        let lease = Arc::new(Lease {
            claim,
            until: Mutex::new(until),
            finishing: AtomicBool::new(false),
            why: OnceLock::new(),
            is_cancelled: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let earlier = lock(&self.leases).insert(id, Arc::clone(&lease));
        // An earlier hold on the same job was lost without anybody having noticed.
        if let Some(earlier) = earlier {
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

    /// Every (id, claim) held.
    pub(super) fn held(&self) -> Vec<(i64, i32)> {
        lock(&self.leases)
            .iter()
            .map(|(id, lease)| (*id, lease.claim))
            .collect()
    }

    /// Notes what a heartbeat that asked for `asked` learned: leases it does not name are lost.
    pub(super) fn beat(
        &self,
        asked: &[(i64, i32)],
        learned: &HashMap<i64, Beat>,
        until: Instant,
    ) -> usize {
        let leases = lock(&self.leases);
        let mut lost = 0;
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
                    lost += 1;
                }
            }
        }
        lost
    }

    /// Tells the handler of a job that it is cancelled, if this process runs it.
    pub(super) fn cancel(&self, id: i64) {
        if let Some(lease) = lock(&self.leases).get(&id) {
            lease.cancel();
        }
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

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// This process's hold on one job.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) attempt: i16,
    /// Until when nobody else can have it, by the steady clock, which goes on while we are stopped.
    until: Mutex<Instant>,
    /// Somebody else has it: drop what is being done.
    pub(super) lost: CancellationToken,
    /// The process ends: drop what is being done and give it back.
    pub(super) released: CancellationToken,
}

impl Lease {
    pub(super) fn is_alive(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *lock(&self.until)
    }
}

/// The jobs in the hands of this process.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    leases: Mutex<HashMap<i64, Arc<Lease>>>,
    emptied: Notify,
}

impl InFlight {
    /// Notes a claim made by a statement that was sent at `asked`.
    pub(super) fn insert(&self, id: i64, attempt: i16, until: Instant) -> Arc<Lease> {
        let lease = Arc::new(Lease {
            attempt,
            until: Mutex::new(until),
            lost: CancellationToken::new(),
            released: CancellationToken::new(),
        });
        lock(&self.leases).insert(id, Arc::clone(&lease));
        lease
    }

    /// Forgets a job whose outcome is on its way. An older hold on the same job stays forgotten.
    pub(super) fn remove(&self, id: i64, attempt: i16) {
        let mut leases = lock(&self.leases);
        if leases
            .get(&id)
            .is_some_and(|lease| lease.attempt == attempt)
        {
            leases.remove(&id);
        }
        if leases.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Every (id, attempt) held.
    pub(super) fn held(&self) -> Vec<(i64, i16)> {
        lock(&self.leases)
            .iter()
            .map(|(id, lease)| (*id, lease.attempt))
            .collect()
    }

    /// Notes which of `asked` a heartbeat renewed until `until`; the others are lost.
    pub(super) fn renewed(&self, asked: &[(i64, i16)], renewed: &[i64], until: Instant) -> usize {
        let renewed: std::collections::HashSet<i64> = renewed.iter().copied().collect();
        let leases = lock(&self.leases);
        let mut lost = 0;
        for (id, attempt) in asked {
            let Some(lease) = leases.get(id).filter(|lease| lease.attempt == *attempt) else {
                continue;
            };
            if renewed.contains(id) {
                *lock(&lease.until) = until;
            } else {
                lease.lost.cancel();
                lost += 1;
            }
        }
        lost
    }

    /// Asks every running job to be dropped and given back.
    pub(super) fn release_all(&self) {
        for lease in lock(&self.leases).values() {
            lease.released.cancel();
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
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

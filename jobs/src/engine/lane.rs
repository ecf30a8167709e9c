//! A lane of this process: its slots, what waits for them, and the way to its handlers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::hold::Hold;
use super::ready::Ready;
use crate::Lane;

/// The most slots one statement claims for. One claim follows another, and each waits for its commit
/// to be on disk: with many jobs in each, little of that falls to one job.
const MAX_BATCH: usize = 1000;
/// How much work a lane claims ahead: what its slots get done in this time. Slow handlers claim
/// nothing ahead, so that other processes can have it.
const AHEAD: Duration = Duration::from_millis(10);
/// The most jobs that are claimed ahead.
const MAX_AHEAD: usize = 2000;
/// The most jobs that one statement claims beyond what is claimed ahead.
const MAX_EXTRA: usize = 16;
/// How much work is handed out together, as far as slots are free: the hand-over costs more than a
/// handler that does next to nothing. Handlers that take longer are handed out one by one.
const TOGETHER: Duration = Duration::from_micros(500);
/// The most runs that are handed out together.
const MAX_TOGETHER: usize = 32;

/// Claimed jobs on their way to handlers.
pub(super) struct Delivery {
    /// What a handler takes at a time: one job, or several of a flow.
    pub(super) runs: Vec<Vec<Hold>>,
    /// A slot for each run.
    pub(super) slots: OwnedSemaphorePermit,
}

impl Delivery {
    /// All of the jobs, which were not begun.
    pub(super) fn into_holds(self) -> Vec<Hold> {
        self.runs.into_iter().flatten().collect()
    }
}

/// One lane of this process.
pub(super) struct LaneState {
    pub(super) lane: Lane,
    pub(super) slots: usize,
    pub(super) free: Arc<Semaphore>,
    /// The last claim asked for many, and found as many as it asked for.
    pub(super) is_deep: AtomicBool,
    /// A slot waits for a job that is not there.
    pub(super) hungry: AtomicBool,
    pub(super) ready: Mutex<Ready<Hold>>,
    /// The way to its handlers, for as long as jobs are handed out.
    out: OnceLock<mpsc::WeakSender<Delivery>>,
    /// There may be something to claim, or a slot to claim for.
    pub(super) wake: Notify,
    /// Something was claimed.
    pub(super) filled: Notify,
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
            is_deep: AtomicBool::new(false),
            hungry: AtomicBool::new(false),
            ready: Mutex::new(Ready::default()),
            out: OnceLock::new(),
            wake: Notify::new(),
            filled: Notify::new(),
            // Until something has run: nothing ahead.
            run_micros: AtomicU64::new(u64::from(u32::MAX)),
        }
    }

    /// Notes the way to its handlers.
    pub(super) fn open(&self, out: &mpsc::Sender<Delivery>) {
        self.out.set(out.downgrade()).ok();
    }

    /// A slot for a job that nobody claimed, as long as more than half of them are free: the others are
    /// for those who wait.
    pub(super) fn spare_slot(&self) -> Option<OwnedSemaphorePermit> {
        if self.free() * 2 <= self.slots {
            return None;
        }
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Hands over a job past those that were claimed; returns it where no more are handed out. There is
    /// room: whatever is on its way has a slot.
    pub(super) fn deliver(&self, delivery: Delivery) -> Result<(), Delivery> {
        match self.out.get().and_then(mpsc::WeakSender::upgrade) {
            Some(out) => out.try_send(delivery).map_err(TrySendError::into_inner),
            None => Err(delivery),
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

    pub(super) fn ahead(&self) -> usize {
        let micros = self.run_micros.load(Ordering::Relaxed).max(1);
        let per_slot = u64::try_from(AHEAD.as_micros()).unwrap_or(u64::MAX) * self.slots as u64;
        usize::try_from(per_slot / micros)
            .unwrap_or(MAX_AHEAD)
            .min(MAX_AHEAD)
    }

    /// Takes more slots where several runs are handed out together.
    pub(super) fn take_more(&self, slots: &mut OwnedSemaphorePermit) {
        let more = u32::try_from(self.together()).unwrap_or(0);
        // Somebody else may have been quicker: then one goes by itself.
        if let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(more) {
            slots.merge(more);
        }
    }

    /// How many runs to hand out together, beside the one that has its slot already.
    fn together(&self) -> usize {
        let micros = u128::from(self.run_micros.load(Ordering::Relaxed).max(1));
        let runs = usize::try_from(TOGETHER.as_micros() / micros).unwrap_or(MAX_TOGETHER);
        let more = runs.clamp(1, MAX_TOGETHER) - 1;
        more.min(self.free.available_permits())
    }

    /// How many more jobs may be claimed for tenants that have none claimed, while enough is.
    pub(super) fn extra(&self, buffered: usize) -> usize {
        let most = self.free() + 2 * self.ahead();
        most.saturating_sub(buffered).min(MAX_EXTRA)
    }

    /// For how many slots to claim now; zero while enough is claimed ahead.
    pub(super) fn wanted(&self, buffered: usize) -> usize {
        let (free, ahead) = (self.free(), self.ahead());
        if buffered > free && (buffered - free) * 2 > ahead {
            return 0;
        }
        (free + ahead).saturating_sub(buffered).min(MAX_BATCH)
    }
}

//! How many jobs stand where, and what happened to them, without counting rows.
//!
//! Whoever moves jobs notes it in memory, after the transaction that moved them is committed. Once a
//! second each process folds what it noted into `job_depths` and `job_minutes`. A crash loses what
//! was not folded yet; a count sets the depths right whenever the tables are small.

mod deltas;
mod fold;
mod reconcile;
mod run;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use db::{Db, Result, Tx};
use sqlx::FromRow;

use deltas::Deltas;

pub use fold::ProcessLoad;
pub(crate) use fold::add_depths;
pub use reconcile::{Reconciled, reconcile};
pub use run::run;

/// Where an unfinished job stands, or that it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Waits for a slot.
    Ready,
    /// Waits for its time.
    Scheduled,
    /// Waits behind the head of its ordering key.
    Held,
    /// In the hands of a worker.
    Running,
    /// Given up.
    Dead,
}

impl Place {
    /// Every place, in the order of their numbers in `job_depths`.
    pub const ALL: [Self; 5] = [
        Self::Ready,
        Self::Scheduled,
        Self::Held,
        Self::Running,
        Self::Dead,
    ];

    /// Where a job with this number of a state in `jobs` stands.
    pub(crate) const fn of_state(state: i16) -> Self {
        match state {
            0 => Self::Ready,
            1 => Self::Scheduled,
            2 => Self::Held,
            _ => Self::Running,
        }
    }

    /// Its number in `job_depths`.
    pub(crate) const fn number(self) -> i16 {
        self as i16
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// Something that happened to jobs. Times are sums over all the jobs that are noted at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// They came to be.
    Enqueued,
    /// An attempt began.
    Started {
        /// From due to begun.
        wait: Duration,
    },
    /// They were finished.
    Done {
        /// From begun to ended.
        run: Duration,
    },
    /// An attempt did not finish its job; a snooze is none. The last one of a dead job is, too.
    Failed {
        /// From begun to ended.
        run: Duration,
    },
    /// They ended without need.
    Cancelled {
        /// From begun to ended; zero for jobs that never began.
        run: Duration,
    },
    /// They were given up.
    Dead,
}

/// What one process noted and has not folded yet. One for each database handle: see
/// [`Counters::install`].
#[derive(Debug, Default)]
pub struct Counters {
    deltas: Mutex<Deltas>,
}

impl Counters {
    /// The counters of this process for this database, made at the first call. From then on
    /// transactions of `db` find them; without them nothing is noted.
    pub fn install(db: &Db) -> Arc<Self> {
        db.extensions().get_or_insert(Self::default())
    }

    /// Notes that `n` jobs went from one place to another; `None` is outside: not there yet, or
    /// finished. For moves that are committed.
    pub fn moved(&self, kind: &str, from: Option<Place>, to: Option<Place>, n: i64) {
        self.lock().change(kind, |deltas| {
            if let Some(from) = from {
                deltas.depths[from.index()] -= n;
            }
            if let Some(to) = to {
                deltas.depths[to.index()] += n;
            }
        });
    }

    /// Notes that something committed happened to `n` jobs. It counts for the minute of its fold.
    pub fn event(&self, kind: &str, event: Event, n: i64) {
        self.lock()
            .change(kind, |deltas| deltas.minute.add(event, n));
    }

    fn lock(&self) -> MutexGuard<'_, Deltas> {
        self.deltas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that `n` jobs were enqueued, once, and only if, the transaction is committed.
pub(crate) fn enqueued(tx: &mut impl Tx, kind: &'static str, place: Place, n: i64) {
    if let Some(counters) = tx.extensions().get::<Counters>() {
        tx.after_commit(Box::new(move || {
            counters.moved(kind, None, Some(place), n);
            counters.event(kind, Event::Enqueued, n);
        }));
    }
}

/// Notes that a ready job waits for its time instead, once the transaction is committed.
pub(crate) fn put_off(tx: &mut impl Tx, kind: &'static str) {
    if let Some(counters) = tx.extensions().get::<Counters>() {
        tx.after_commit(Box::new(move || {
            counters.moved(kind, Some(Place::Ready), Some(Place::Scheduled), 1);
        }));
    }
}

/// How many jobs of a kind stand where, give or take what happened in the last second.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// Waiting for a slot.
    pub ready: i64,
    /// Waiting for their time.
    pub scheduled: i64,
    /// Waiting behind the head of their ordering key.
    pub held: i64,
    /// In the hands of workers.
    pub running: i64,
    /// Given up.
    pub dead: i64,
}

/// The depths of every kind that ever had a job, by name.
///
/// # Errors
/// Those of the database.
pub async fn depths(tx: &mut impl Tx) -> Result<Vec<KindCount>> {
    // A finish may be folded by one process before the enqueueing is by another: below zero for a
    // moment, which nobody needs to see.
    Ok(sqlx::query_as(
        "SELECT kind,
                greatest(coalesce(sum(jobs) FILTER (WHERE state = 0), 0), 0)::bigint AS ready,
                greatest(coalesce(sum(jobs) FILTER (WHERE state = 1), 0), 0)::bigint AS scheduled,
                greatest(coalesce(sum(jobs) FILTER (WHERE state = 2), 0), 0)::bigint AS held,
                greatest(coalesce(sum(jobs) FILTER (WHERE state = 3), 0), 0)::bigint AS running,
                greatest(coalesce(sum(jobs) FILTER (WHERE state = 4), 0), 0)::bigint AS dead
         FROM job_depths GROUP BY kind ORDER BY kind COLLATE \"C\"",
    )
    .fetch_all(tx.conn())
    .await?)
}

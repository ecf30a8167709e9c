//! Enqueueing: one job with all its options, or many without.

mod gathered;
mod insert;
mod many;
mod row;

use db::{Result, Tx};

use crate::Job;
use crate::counters::{self, Place};
use crate::engine::reserve;
use crate::signal;

pub use gathered::{Gathered, enqueue_gathered};
pub use many::enqueue_many;
use row::{READY, Row};

/// What became of a job that was to be enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The job: the new one, or the one that was there with the same unique key.
    pub id: i64,
    /// Whether one with the same unique key was there.
    pub duplicate: bool,
}

/// Enqueues a job within the caller's transaction: it exists if, and only if, that commits. In a
/// process that runs jobs it may begin as soon as that is done, before the caller goes on.
///
/// Call it after the caller's own row locks are taken: it locks the ordering key until commit.
///
/// # Errors
/// Those of the database.
pub async fn enqueue<J: Job>(tx: &mut impl Tx, job: &J) -> Result<Enqueued> {
    let options = job.options();
    let seat = reserve::<J>(tx, &options);
    let row = Row::new(job, &options, seat.as_ref())?;
    let mut inserted = insert::insert(tx.conn(), &row).await?;
    let mut seat = seat.filter(|_| inserted.begins());
    if let Some(kept) = &seat
        && !kept.pay(tx.conn(), inserted.id).await?
    {
        inserted.state = READY;
        seat = None;
    }
    if let Some(word) = inserted.word() {
        tx.signal_after_commit(signal::say([word]));
    }
    if !inserted.duplicate {
        counters::enqueued(tx, J::KIND, Place::of_state(inserted.state), 1);
    } else if inserted.is_put_off {
        counters::put_off(tx, J::KIND);
    }
    let enqueued = Enqueued {
        id: inserted.id,
        duplicate: inserted.duplicate,
    };
    if let Some(seat) = seat {
        seat.take(tx, row.started(&inserted));
    }
    Ok(enqueued)
}

/// The trace of whatever enqueues: its jobs go on with it.
fn traceparent() -> Option<String> {
    telemetry::trace::current().map(|context| context.to_string())
}

fn encode<J: Job>(job: &J) -> Result<String> {
    serde_json::to_string(job)
        .map_err(|error| db::Error::corrupt(format!("payload of a {} job: {error}", J::KIND)))
}

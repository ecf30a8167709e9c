//! Schedules: jobs that come by the clock.
//!
//! A schedule says of which kind its jobs are, what they carry, and when its ticks are. Whoever finds
//! a tick due moves the schedule on to the next one and enqueues the tick's job in the same
//! transaction: one job per tick, however many processes look and whenever one of them dies. Time is
//! the database's, in UTC. `docs/schedules.md` has the rules.

mod builtin;
mod catch_up;
mod control;
mod enqueue;
mod error;
mod kind;
mod look;
mod run;
mod spec;

pub use builtin::{Schedule, ensure};
pub use catch_up::CatchUp;
pub use control::{ScheduleValues, ScheduleView, delete, get, list, pause, put, resume, run_now};
pub use error::{Error, Result};
pub use kind::{Kind, kinds};
pub use look::{Looked, look};
pub use run::run;
pub use spec::{InvalidSpec, Spec};

use chrono::{DateTime, Utc};
use db::SystemTx;

use crate::signal::{self, Word};

/// The database's time: when this transaction began.
async fn now(tx: &mut SystemTx) -> db::Result<DateTime<Utc>> {
    use db::Tx as _;
    Ok(sqlx::query_scalar("SELECT now()")
        .fetch_one(tx.conn())
        .await?)
}

/// Tells the runners of every process, after commit, that a schedule changed.
fn say_changed(tx: &mut SystemTx) {
    use db::Tx as _;
    tx.signal_after_commit(signal::say([Word::Schedules]));
}

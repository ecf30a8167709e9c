//! What operators see of jobs, queues and workers. Nothing here counts a big table, and every
//! statement has five seconds.

mod facts;
mod filter;
mod list;
#[cfg(test)]
mod plans;
mod queues;
mod redact;
mod state;
mod tenant_queues;
mod timeline;
mod view;
mod waiting;
mod workers;

use db::{Result, Tx};

pub use filter::JobFilter;
pub use list::{get, list};
pub use queues::{LaneStatus, QueueOverview, QueueStatus, Throughput, find_queue, overview};
pub use state::JobState;
pub use tenant_queues::tenant_overview;
pub use timeline::{AttemptView, TimelineEntry, attempts, timeline};
pub use view::JobView;
pub use waiting::WaitingCode;
pub use workers::{LaneLoad, Worker, list_workers};

pub(crate) use filter::Table;
pub(crate) use workers::LIVE;

/// Ends every further statement of the transaction after five seconds.
pub(crate) async fn limit_time(tx: &mut impl Tx) -> Result<()> {
    sqlx::query("SET LOCAL statement_timeout = '5s'")
        .execute(tx.conn())
        .await?;
    Ok(())
}

//! What operators do to jobs: cancel, retry, redrive, limit, pause.
//!
//! Rows are locked in the order in which the engine locks: heads of ordering keys and jobs without
//! one, then ordering keys, then held jobs, then limits, then counters.

mod bulk;
mod cancel;
mod error;
mod limit_key;
mod limit_view;
mod limits;
mod redrive;
mod retry;
mod tally;

use db::Tx;
use domain::TenantId;

pub use bulk::{BulkAction, BulkDone, Count, act_on_matching, count_matching};
pub use cancel::{Cancelled, cancel};
pub use error::{ControlError, InvalidField, Result};
pub use limit_key::{LimitKey, LimitScope};
pub use limit_view::{LimitView, Pause, Rate, get_limit, list_limits};
pub use limits::{
    LimitValues, change_rate, clear_limit, ensure_limit, pause, pause_at_least, resume, set_limit,
};
pub use redrive::redrive;
pub use retry::retry;

pub(crate) use limit_key::scope_of;
pub(crate) use limit_view::limits_of;

/// Says why nothing can be done to a job that neither waits nor runs.
async fn whereabouts(tx: &mut impl Tx, id: i64, tenant: Option<TenantId>) -> Result<ControlError> {
    let place: Option<String> = sqlx::query_scalar(
        "SELECT 'dead' FROM dead_jobs WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)
         UNION ALL
         SELECT outcome FROM job_history
         WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)
         LIMIT 1",
    )
    .bind(id)
    .bind(tenant.map(TenantId::as_uuid))
    .fetch_optional(tx.conn())
    .await?;
    Ok(match place.as_deref() {
        None => ControlError::NotFound,
        Some("dead") => ControlError::conflict("job_dead", "The job is dead: redrive it."),
        Some("cancelled") => {
            ControlError::conflict("job_cancelled", "The job was cancelled already.")
        }
        Some(_) => ControlError::conflict("job_done", "The job is done already."),
    })
}

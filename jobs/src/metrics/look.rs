use db::{Db, Result};

use super::KindDepth;
use crate::inspect;

/// Looks at the tables for the gauges of a scrape: counters and bounded probes.
///
/// # Errors
/// Those of the database.
pub async fn depths(db: &Db) -> Result<Vec<KindDepth>> {
    let mut tx = db.system().await?;
    let overview = inspect::overview(&mut tx).await?;
    let at = overview.at;
    let depths = overview.queues.into_iter().map(|queue| {
        let age = queue
            .oldest_ready_at
            .map(|since| (at - since).as_seconds_f64());
        KindDepth {
            kind: queue.kind,
            ready: queue.ready.unsigned_abs(),
            scheduled: queue.scheduled.unsigned_abs(),
            held: queue.held.unsigned_abs(),
            running: queue.running.unsigned_abs(),
            dead: queue.dead.unsigned_abs(),
            oldest_ready_seconds: age.unwrap_or(0.0).max(0.0),
        }
    });
    Ok(depths.collect())
}

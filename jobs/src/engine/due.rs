use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::counters::Place;
use crate::signal::{self, Word};

/// The most jobs made ready by one statement.
const BATCH: usize = 1000;

/// Makes scheduled jobs ready when they are due: a timer stands on the next one.
pub(super) async fn promote_for_ever(shared: Arc<Shared>) {
    loop {
        let wait = match promote(&shared).await {
            Ok(wait) => wait.min(shared.options.poll),
            Err(error) => {
                tracing::warn!(error = %error, "due jobs could not be looked up");
                Duration::from_millis(500)
            }
        };
        tokio::time::timeout(wait, shared.wake_due.notified())
            .await
            .ok();
    }
}

/// Makes due jobs ready and says how long it is until the next one.
async fn promote(shared: &Shared) -> db::Result<Duration> {
    loop {
        let promoted: Vec<(i64, i64, String)> = sqlx::query_as(PROMOTE)
            .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
            .fetch_all(shared.db.fixed())
            .await?;
        let is_full = promoted.len() >= BATCH;
        let mut lowest: HashMap<i64, i64> = HashMap::new();
        for (flow, id, kind) in promoted {
            let to = Some(Place::Ready);
            shared.notes.moved(&kind, Place::Scheduled, to, 1);
            let known = lowest.entry(flow).or_insert(id);
            *known = id.min(*known);
        }
        if !lowest.is_empty() {
            let words = lowest.into_iter().map(|(flow, id)| Word::Flow { flow, id });
            shared.db.signal(signal::say(words));
        }
        if !is_full {
            break;
        }
    }
    let seconds: Option<f64> = sqlx::query_scalar(NEXT)
        .fetch_optional(shared.db.fixed())
        .await?;
    let wait = Duration::try_from_secs_f64(seconds.unwrap_or(3600.0)).unwrap_or_default();
    // A row that is due but locked by its enqueuer is no reason to spin.
    Ok(wait.max(Duration::from_millis(1)))
}

pub(super) const PROMOTE: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM jobs WHERE state = 1 AND run_at <= now()
        ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs AS j SET state = 0 WHERE j.id = ANY(ARRAY(SELECT id FROM due))
    RETURNING j.flow, j.id, j.kind";

pub(super) const NEXT: &str = "
    SELECT extract(epoch FROM run_at - clock_timestamp())::float8
    FROM jobs WHERE state = 1 ORDER BY run_at LIMIT 1";

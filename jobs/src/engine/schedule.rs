use std::sync::Arc;
use std::time::Duration;

use db::{Signal, Topic};
use tokio::sync::broadcast::error::RecvError;

use super::Shared;

/// The most jobs made ready by one statement.
const BATCH: i64 = 1000;

/// Makes scheduled jobs ready when they are due: a timer stands on the next one.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let wait = match promote(&shared).await {
            Ok(wait) => wait.min(shared.options.poll),
            Err(error) => {
                tracing::warn!(error = %error, "due jobs could not be looked up");
                Duration::from_millis(500)
            }
        };
        tokio::time::timeout(wait, shared.wake_schedule.notified())
            .await
            .ok();
    }
}

/// Makes due jobs ready and says how long it is until the next one.
async fn promote(shared: &Shared) -> db::Result<Duration> {
    loop {
        let promoted = sqlx::query(
            "WITH due AS MATERIALIZED (
                 SELECT id FROM jobs WHERE state = 1 AND run_at <= now()
                 ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED
             )
             UPDATE jobs AS j SET state = 0 FROM due WHERE j.id = due.id",
        )
        .bind(BATCH)
        .execute(shared.db.pool())
        .await?
        .rows_affected();
        if promoted > 0 {
            shared.db.signal(Signal {
                topic: Topic::Jobs,
                payload: "due".to_owned(),
            });
        }
        if promoted < BATCH.unsigned_abs() {
            break;
        }
    }
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM run_at - clock_timestamp())::float8
         FROM jobs WHERE state = 1 ORDER BY run_at LIMIT 1",
    )
    .fetch_optional(shared.db.pool())
    .await?;
    let wait = Duration::try_from_secs_f64(seconds.unwrap_or(3600.0)).unwrap_or_default();
    // A row that is due but locked by its enqueuer is no reason to spin.
    Ok(wait.max(Duration::from_millis(1)))
}

/// Turns the database's signals into this engine's wake-ups.
pub(super) async fn hear_signals(shared: Arc<Shared>) {
    let mut signals = shared.db.subscribe();
    loop {
        match signals.recv().await {
            Ok(signal) if signal.topic != Topic::Jobs => {}
            Ok(signal) if signal.payload == "due" => {
                for lane in shared.wake_lanes.values() {
                    lane.notify_one();
                }
            }
            Ok(_) | Err(RecvError::Lagged(_)) => shared.wake_all(),
            Err(RecvError::Closed) => return,
        }
    }
}

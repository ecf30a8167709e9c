use std::time::Duration;

use chrono::TimeDelta;
use db::Db;
use domain::Clock;
use store::{idempotency_keys, parked_statuses, webchat_sessions};

/// How far ahead partitions are made.
const DAYS_AHEAD: i32 = 7;
const EVERY: Duration = Duration::from_hours(1);
/// How long an answer to a write is remembered.
const IDEMPOTENCY: TimeDelta = TimeDelta::days(1);
/// How long a report waits for its message: a channel posts again for seven days.
const PARKED: TimeDelta = TimeDelta::days(8);

/// Makes the daily partitions of the coming week and lets go what is only kept for a while, over
/// and over. Every process does it: doing it again changes nothing.
pub(crate) async fn run(db: Db, clock: Clock) {
    loop {
        match db.ensure_partitions(DAYS_AHEAD).await {
            Ok(0) => {}
            Ok(made) => tracing::info!(made, "partitions were made ahead"),
            Err(error) => tracing::warn!(error = %error, "partitions could not be made ahead"),
        }
        if let Err(error) = let_go(&db, &clock).await {
            tracing::warn!(error = %error, "what is out of date could not be deleted");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn let_go(db: &Db, clock: &Clock) -> db::Result<()> {
    let now = clock.now();
    let mut tx = db.system().await?;
    let keys = idempotency_keys::delete_older(&mut tx, now - IDEMPOTENCY).await?;
    let parked = parked_statuses::delete_older(&mut tx, now - PARKED).await?;
    let sessions = webchat_sessions::delete_expired(&mut tx, now).await?;
    tx.commit().await?;
    if keys + parked + sessions > 0 {
        tracing::info!(keys, parked, sessions, "what was out of date was deleted");
    }
    Ok(())
}

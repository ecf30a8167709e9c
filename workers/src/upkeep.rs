use std::time::Duration;

use db::Db;

/// How far ahead partitions are made.
const DAYS_AHEAD: i32 = 7;
const EVERY: Duration = Duration::from_hours(1);

/// Makes the daily partitions of the coming week, over and over. Every process does it: making one
/// that is there changes nothing, and a missing one only fills the DEFAULT partition.
pub(crate) async fn run(db: Db) {
    loop {
        match db.ensure_partitions(DAYS_AHEAD).await {
            Ok(0) => {}
            Ok(made) => tracing::info!(made, "partitions were made ahead"),
            Err(error) => tracing::warn!(error = %error, "partitions could not be made ahead"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

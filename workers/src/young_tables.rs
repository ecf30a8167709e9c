use std::time::Duration;

use db::Db;

/// How often tables are looked for that have grown: those of a new installation, and each day's
/// partitions.
const EVERY: Duration = Duration::from_secs(5);

/// Has them analyzed, for ever.
pub(crate) async fn look_for_ever(db: Db) {
    loop {
        match db.analyze_young_tables().await {
            Ok(0) => {}
            Ok(tables) => tracing::debug!(tables, "young tables were analyzed"),
            Err(error) => tracing::debug!(error = %error, "young tables were not analyzed"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

use sqlx::AssertSqlSafe;

use crate::{Db, Result, Tx as _};

/// The tables that are kept in daily partitions.
const PARTITIONED: [&str; 4] = [
    "raw_items",
    "job_history",
    "job_attempts",
    "webhook_attempts",
];

impl Db {
    /// Makes the daily partitions from today up to `days_ahead`; says how many were missing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ensure_partitions(&self, days_ahead: i32) -> Result<i32> {
        let mut made = 0;
        for table in PARTITIONED {
            let mut tx = self.system().await?;
            let statement = format!("SELECT ensure_daily_partitions('{table}', $1)");
            let count: i32 = sqlx::query_scalar(AssertSqlSafe(statement))
                .bind(days_ahead)
                .fetch_one(tx.conn())
                .await?;
            made += count;
            tx.commit().await?;
        }
        Ok(made)
    }
}

use std::num::NonZeroU32;

use sqlx::AssertSqlSafe;

use crate::{Db, Result, SystemTx, Tx as _};

/// A table that is kept in daily partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioned {
    /// Items as channels posted them.
    RawItems,
    /// Jobs that were done or cancelled.
    JobHistory,
    /// Attempts that did not finish their job.
    JobAttempts,
    /// Attempts to deliver a webhook.
    WebhookAttempts,
    /// Calls to models.
    ModelCalls,
}

impl Partitioned {
    /// Every such table.
    pub const ALL: [Self; 5] = [
        Self::RawItems,
        Self::JobHistory,
        Self::JobAttempts,
        Self::WebhookAttempts,
        Self::ModelCalls,
    ];

    /// The table's name.
    pub const fn table(self) -> &'static str {
        match self {
            Self::RawItems => "raw_items",
            Self::JobHistory => "job_history",
            Self::JobAttempts => "job_attempts",
            Self::WebhookAttempts => "webhook_attempts",
            Self::ModelCalls => "model_calls",
        }
    }

    /// The column whose day decides the partition.
    const fn column(self) -> &'static str {
        match self {
            Self::RawItems => "received_at",
            Self::JobHistory => "finished_at",
            Self::JobAttempts => "ended_at",
            Self::WebhookAttempts => "attempted_at",
            Self::ModelCalls => "started_at",
        }
    }
}

/// What retention let go of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Whole days.
    pub days: i32,
    /// Whether rows that are old enough are left in the DEFAULT partition, for the next call.
    pub is_rest: bool,
}

/// How often one call goes over the DEFAULT partition: each time takes 10,000 rows.
const ROUNDS: usize = 100;

impl Db {
    /// Makes the daily partitions from today up to `days_ahead`; says how many were missing.
    ///
    /// # Errors
    /// Those of the database; `Unavailable` if a table was too busy.
    pub async fn ensure_partitions(&self, days_ahead: i32) -> Result<i32> {
        let mut made = 0;
        for table in Partitioned::ALL {
            let mut tx = self.system().await?;
            tx.wait_briefly().await?;
            let statement = format!("SELECT ensure_daily_partitions('{}', $1)", table.table());
            let count: i32 = sqlx::query_scalar(AssertSqlSafe(statement))
                .bind(days_ahead)
                .fetch_one(tx.conn())
                .await?;
            made += count;
            tx.commit().await?;
        }
        Ok(made)
    }

    /// Lets go of the days of a table that lie more than `keep_days` before today (UTC), and of rows
    /// as old that no daily partition took. Doing it again changes nothing.
    ///
    /// # Errors
    /// Those of the database; `Unavailable` if the table was too busy.
    pub async fn drop_partitions(
        &self,
        table: Partitioned,
        keep_days: NonZeroU32,
    ) -> Result<Dropped> {
        let keep_days = i32::try_from(keep_days.get()).unwrap_or(i32::MAX);
        let mut dropped = Dropped::default();
        for _ in 0..ROUNDS {
            let mut tx = self.system().await?;
            dropped.days += drop_once(&mut tx, table, keep_days).await?;
            dropped.is_rest = is_rest(&mut tx, table, keep_days).await?;
            tx.commit().await?;
            if !dropped.is_rest {
                break;
            }
        }
        Ok(dropped)
    }
}

async fn drop_once(tx: &mut SystemTx, table: Partitioned, keep_days: i32) -> Result<i32> {
    tx.wait_briefly().await?;
    let (name, column) = (table.table(), table.column());
    let statement = format!("SELECT drop_daily_partitions('{name}', '{column}', $1)");
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(keep_days)
        .fetch_one(tx.conn())
        .await?)
}

/// Whether there are still rows that are old enough to go. Their days are gone: such rows can only
/// be in the DEFAULT partition, which is empty unless something went wrong.
async fn is_rest(tx: &mut SystemTx, table: Partitioned, keep_days: i32) -> Result<bool> {
    let (name, column) = (table.table(), table.column());
    let statement = format!(
        "SELECT EXISTS (SELECT FROM {name} WHERE {column} <
             ((now() AT TIME ZONE 'UTC')::date - $1)::timestamp AT TIME ZONE 'UTC')"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(keep_days)
        .fetch_one(tx.conn())
        .await?)
}

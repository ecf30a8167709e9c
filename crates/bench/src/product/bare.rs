use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _};

use super::intake::CLIENTS;
use crate::stats::per_second;

/// Inserts of the very rows that a webhook leads to, into tables of the same shape, and nothing else.
pub(super) struct Bare {
    pool: PgPool,
    item: String,
    job: String,
}

impl Bare {
    /// Takes the newest rows for a pattern; at least one webhook has to have come in.
    pub(super) async fn prepare(url: &str) -> anyhow::Result<Self> {
        let clients = u32::try_from(CLIENTS)?;
        let pool = PgPoolOptions::new()
            .max_connections(clients)
            .connect(url)
            .await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS bare_items (LIKE raw_items INCLUDING ALL);
             CREATE TABLE IF NOT EXISTS bare_jobs (LIKE jobs INCLUDING ALL);
             CREATE TABLE IF NOT EXISTS item_pattern AS
                 SELECT * FROM raw_items ORDER BY received_at DESC LIMIT 1;
             CREATE TABLE IF NOT EXISTS job_pattern AS
                 SELECT * FROM jobs WHERE kind = 'inbound-message' ORDER BY id DESC LIMIT 1;",
        )
        .execute(&pool)
        .await?;
        let item = Self::copy(
            &pool,
            "bare_items",
            "item_pattern",
            ("id", "gen_random_uuid()"),
        );
        let item = item.await?;
        // Each job has a key of its own, as each customer has.
        let key = ("ordering_key", "gen_random_uuid()::text");
        let job = Self::copy(&pool, "bare_jobs", "job_pattern", key).await?;
        Ok(Self { pool, item, job })
    }

    /// The statement that copies the pattern, but for one column and those that fill themselves.
    async fn copy(
        pool: &PgPool,
        into: &str,
        pattern: &str,
        (fresh, value): (&str, &str),
    ) -> anyhow::Result<String> {
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT column_name::text FROM information_schema.columns
             WHERE table_name = $1 AND table_schema = 'public' AND is_identity = 'NO'
               AND is_generated = 'NEVER' ORDER BY ordinal_position",
        )
        .bind(into)
        .fetch_all(pool)
        .await?;
        let values: Vec<&str> = columns
            .iter()
            .map(|column| if column == fresh { value } else { column })
            .collect();
        Ok(format!(
            "INSERT INTO {into} ({}) SELECT {} FROM {pattern}",
            columns.join(", "),
            values.join(", ")
        ))
    }

    /// Inserts both rows, a transaction for each pair, by as many clients as post webhooks; the pairs
    /// of a second.
    pub(super) async fn measure(&self, seconds: u64) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(seconds);
        let clients = (0..CLIENTS).map(|_| self.insert_until(end));
        let counts = futures::future::try_join_all(clients).await?;
        Ok(per_second(counts.into_iter().sum(), begun.elapsed()))
    }

    async fn insert_until(&self, end: Instant) -> anyhow::Result<usize> {
        let mut connection = self.pool.acquire().await.context("no connection")?;
        let mut count = 0;
        while Instant::now() < end {
            let mut tx = connection.begin().await?;
            for statement in [&self.item, &self.job] {
                sqlx::query(AssertSqlSafe(statement.clone()))
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            count += 1;
        }
        Ok(count)
    }
}

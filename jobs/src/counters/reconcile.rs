use std::time::Duration;

use db::{Db, Error, Result};
use sqlx::PgConnection;
use sqlx::types::Json;

/// The most rows that are counted.
const MAX_ROWS: f64 = 100_000.0;
/// How long setting the depths right may take in all, its own time limits within the server included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What became of a look at the depths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// They were set right; so many figures had been wrong.
    Mended(u64),
    /// There are too many jobs to count: the sums of the folds stand.
    TooMany,
}

/// Sets the depths right by counting, if the planner thinks that there are few jobs and few dead ones.
///
/// The lock lets nobody else fold, and the count's snapshot is taken after it is there: no fold comes
/// between the count and the figures. What happened before the count and is folded after it counts
/// twice, which is at most what other processes noted in the last second; a quiet system is exact.
///
/// # Errors
/// Those of the database; `Unavailable` if a fold kept it from its lock for a second, or counting
/// took more than two.
pub async fn reconcile(db: &Db) -> Result<Reconciled> {
    tokio::time::timeout(TIMEOUT, reconcile_within(db))
        .await
        .unwrap_or(Err(Error::Unavailable(sqlx::Error::PoolTimedOut)))
}

async fn reconcile_within(db: &Db) -> Result<Reconciled> {
    let mut tx = db.begin().await?;
    for table in [
        "EXPLAIN (FORMAT JSON) SELECT FROM jobs",
        "EXPLAIN (FORMAT JSON) SELECT FROM dead_jobs",
    ] {
        if estimate(&mut tx, table).await? >= MAX_ROWS {
            return Ok(Reconciled::TooMany);
        }
    }
    for statement in [
        "SET LOCAL statement_timeout = '2s'",
        "SET LOCAL lock_timeout = '1s'",
        "LOCK TABLE job_depths IN SHARE ROW EXCLUSIVE MODE",
    ] {
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    let mended = sqlx::query(
        "WITH counted AS (
             SELECT kind, state, count(*) AS jobs FROM jobs GROUP BY kind, state
             UNION ALL
             SELECT kind, 4, count(*) FROM dead_jobs GROUP BY kind
         )
         INSERT INTO job_depths AS d (kind, state, jobs)
         SELECT coalesce(c.kind, old.kind), coalesce(c.state, old.state), coalesce(c.jobs, 0)
         FROM counted AS c
         FULL JOIN job_depths AS old ON old.kind = c.kind AND old.state = c.state
         ON CONFLICT (kind, state) DO UPDATE SET jobs = excluded.jobs
         WHERE d.jobs <> excluded.jobs",
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(Reconciled::Mended(mended))
}

/// How many rows the planner expects. Unlike `pg_class.reltuples` it follows the size of the file,
/// so that a table which grew since its last analysis is not taken for small. Of one that was never
/// analysed it knows the size alone, and may be wrong by a factor: the time limit is the net.
async fn estimate(conn: &mut PgConnection, explain: &'static str) -> Result<f64> {
    let Json(plan): Json<serde_json::Value> = sqlx::query_scalar(explain).fetch_one(conn).await?;
    plan.pointer("/0/Plan/Plan Rows")
        .and_then(serde_json::Value::as_f64)
        .ok_or_else(|| Error::corrupt("a plan without its number of rows"))
}

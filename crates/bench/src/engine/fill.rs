//! What stands in the tables before something is timed.

use db::Db;
use jobs::Job;

/// Jobs that one transaction enqueues where each is a statement of its own.
const AT_A_TIME: usize = 500;
/// How many such transactions run at once.
const SIDE_BY_SIDE: usize = 4;

/// Empties the job tables.
///
/// # Errors
/// Those of the database.
pub(super) async fn clear(db: &Db) -> anyhow::Result<()> {
    sqlx::query("TRUNCATE jobs, job_keys, job_history, job_attempts, job_limits")
        .execute(db.pool())
        .await?;
    Ok(())
}

/// Puts the server in the same state before each measure: statistics fresh, nothing left to write.
///
/// # Errors
/// Those of the database.
pub(super) async fn settle(db: &Db) -> anyhow::Result<()> {
    for statement in ["VACUUM (ANALYZE) jobs", "VACUUM (ANALYZE) job_keys"] {
        sqlx::query(statement).execute(db.pool()).await?;
    }
    // Takes a right that users of managed servers may lack; without it figures vary more.
    sqlx::query("CHECKPOINT").execute(db.pool()).await.ok();
    Ok(())
}

/// Enqueues jobs without ordering keys or delays, many in one statement.
///
/// # Errors
/// Those of the database.
pub(super) async fn many<J: Job>(db: &Db, jobs: impl IntoIterator<Item = J>) -> anyhow::Result<()> {
    let jobs: Vec<J> = jobs.into_iter().collect();
    let mut tx = db.system().await?;
    jobs::enqueue_many(&mut tx, &jobs).await?;
    Ok(tx.commit().await?)
}

/// Enqueues jobs with ordering keys or delays, each with a statement of its own; the order is kept
/// among neighbours only.
///
/// # Errors
/// Those of the database.
pub(super) async fn each<J: Job>(db: &Db, jobs: impl IntoIterator<Item = J>) -> anyhow::Result<()> {
    let jobs: Vec<J> = jobs.into_iter().collect();
    let part = jobs.len().div_ceil(SIDE_BY_SIDE).max(1);
    let parts = jobs.chunks(part).map(|part| one_by_one(db, part));
    futures::future::try_join_all(parts).await?;
    Ok(())
}

async fn one_by_one<J: Job>(db: &Db, jobs: &[J]) -> anyhow::Result<()> {
    for some in jobs.chunks(AT_A_TIME) {
        let mut tx = db.system().await?;
        for job in some {
            jobs::enqueue(&mut tx, job).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

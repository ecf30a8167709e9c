use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use db::Db;
use jobs::{Engine, EngineOptions, Failure, Job, JobHandle, KindInfo};

/// How many bulk jobs run at a time: claims and finishes stay full.
const SLOTS: usize = 1000;

/// How long any measure may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Starts an engine that knows one kind and calls `handler` with each job.
///
/// # Errors
/// Those of the database.
pub(super) async fn start<J, F>(db: &Db, handler: F) -> anyhow::Result<Engine>
where
    J: Job,
    F: Fn(J) + Clone + Send + Sync + 'static,
{
    let mut options = EngineOptions::new(vec![KindInfo::of::<J>()]);
    options.bulk_slots = SLOTS;
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new()).await?;
    for backend in backends {
        let handler = handler.clone();
        jobs::work(backend, move |handle: JobHandle| {
            let handler = handler.clone();
            async move {
                handler(handle.job.decode::<J>()?);
                Ok::<(), Failure>(())
            }
        });
    }
    Ok(engine)
}

/// Times `count` enqueued jobs from the start of an engine to the commit of the last history row.
///
/// # Errors
/// When they are not done in three minutes, and those of the database.
pub(super) async fn time<J: Job>(db: &Db, count: usize) -> anyhow::Result<Duration> {
    let run = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&run);
    let begun = Instant::now();
    let engine = start(db, move |_: J| {
        ran.fetch_add(1, Ordering::Relaxed);
    })
    .await?;
    while run.load(Ordering::Relaxed) < count {
        ensure!(begun.elapsed() < PATIENCE, "the jobs were not done in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // A count of the history is not free: it begins when the last job has run.
    while history(db).await? < count {
        ensure!(begun.elapsed() < PATIENCE, "the history is not whole");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let time = begun.elapsed();
    engine.shut_down().await;
    Ok(time)
}

/// How many jobs are in the history.
pub(super) async fn history(db: &Db) -> anyhow::Result<usize> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM job_history")
        .fetch_one(db.pool())
        .await?;
    Ok(usize::try_from(count)?)
}

/// Empties the job tables.
pub(super) async fn clear(db: &Db) -> anyhow::Result<()> {
    sqlx::query("TRUNCATE jobs, job_keys, job_history, job_attempts")
        .execute(db.pool())
        .await?;
    Ok(())
}

/// Puts the server in the same state before each measure: statistics fresh, nothing left to write.
pub(super) async fn settle(db: &Db) -> anyhow::Result<()> {
    for statement in ["VACUUM (ANALYZE) jobs", "VACUUM (ANALYZE) job_keys"] {
        sqlx::query(statement).execute(db.pool()).await?;
    }
    // Takes a right that users of managed servers may lack; without it figures vary more.
    sqlx::query("CHECKPOINT").execute(db.pool()).await.ok();
    Ok(())
}

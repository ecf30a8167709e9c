use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::cpu::Used;
use crate::report::say;
use anyhow::ensure;
use db::Db;
use jobs::{Engine, EngineOptions, Failure, Job, JobHandle, KindInfo};

/// How many jobs of each lane run at a time where throughput counts: claims and finishes stay full.
pub(super) const SLOTS: usize = 1000;

/// How long any measure may wait for jobs.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// How long a look at what has become of the jobs is put off.
pub(super) const LOOK: Duration = Duration::from_millis(2);

/// Starts an engine that knows one kind and calls `handler` with each job.
///
/// # Errors
/// Those of the database.
pub(super) async fn start<J, F, Fut>(db: &Db, slots: usize, handler: F) -> anyhow::Result<Engine>
where
    J: Job,
    F: Fn(J) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut options = EngineOptions::new(vec![KindInfo::of::<J>()]);
    options.bulk_slots = slots;
    options.interactive_slots = slots;
    // What still runs when a measure is over is of no interest.
    options.drain = Duration::from_secs(2);
    let (engine, backends) = Engine::start(db.clone(), options, HashMap::new()).await?;
    for backend in backends {
        let handler = handler.clone();
        jobs::work(backend, move |handle: JobHandle| {
            let job = handle.job.decode::<J>();
            let handler = handler.clone();
            async move {
                handler(job?).await;
                Ok::<(), Failure>(())
            }
        });
    }
    Ok(engine)
}

/// Times `count` enqueued jobs from the start of an engine to the commit of the last history row.
///
/// # Errors
/// When they are not done in time, and those of the database.
pub(super) async fn time<J: Job>(db: &Db, count: usize) -> anyhow::Result<Duration> {
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let used = Used::now(db).await?;
    let begun = Instant::now();
    let engine = start(db, SLOTS, move |_: J| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    })
    .await?;
    wait_for(begun, &ran, count).await?;
    // A count of the history is not free: it begins when the last job has run.
    while history(db).await? < count {
        ensure!(begun.elapsed() < PATIENCE, "the history is not whole");
        tokio::time::sleep(LOOK).await;
    }
    let time = begun.elapsed();
    say(&Used::now(db).await?.since(used, count));
    engine.shut_down().await;
    Ok(time)
}

/// Waits until `count` is counted.
///
/// # Errors
/// When it is not in time.
pub(super) async fn wait_for(
    begun: Instant,
    counter: &AtomicUsize,
    count: usize,
) -> anyhow::Result<()> {
    while counter.load(Ordering::Relaxed) < count {
        let ran = counter.load(Ordering::Relaxed);
        ensure!(
            begun.elapsed() < PATIENCE,
            "{ran} of {count} jobs ran in time"
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// How many jobs are in the history.
///
/// # Errors
/// Those of the database.
pub(super) async fn history(db: &Db) -> anyhow::Result<usize> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM job_history")
        .fetch_one(db.pool())
        .await?;
    Ok(usize::try_from(count)?)
}

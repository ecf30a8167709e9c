//! apalis on its own storage in Postgres, two workers with batches of 500. See `../README.md` for
//! the protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use apalis::layers::WorkerBuilderExt as _;
use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PgTask, PostgresStorage, queries};
use sqlx::postgres::PgPoolOptions;

/// The queue of the jobs.
const QUEUE: &str = "noop";
/// Workers of one process.
const WORKERS: usize = 2;
/// Jobs that one statement takes.
const BATCH: usize = 500;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().context("no mode")?;
    let count: usize = arguments.next().context("no count")?.parse()?;
    let slots: usize = arguments.next().context("no slots")?.parse()?;
    anyhow::ensure!(mode == "burn", "only burn is measured");
    let url = std::env::var("PEER_DATABASE_URL")?;
    let pool = PgPoolOptions::new().max_connections(10).connect(&url).await?;
    PostgresStorage::setup(&pool).await?;
    fill(&pool, count).await?;
    let seconds = burn(&pool, count, slots / WORKERS).await?.as_secs_f64();
    println!("{}", serde_json::json!({ "jobs": count, "seconds": seconds }));
    // Workers wait for their next heartbeat: the process ends them.
    std::process::exit(0);
}

async fn fill(pool: &PgPool, count: usize) -> anyhow::Result<()> {
    for first in (0..count).step_by(5000) {
        let tasks = (first..count.min(first + 5000))
            .map(|n| Ok(TaskBuilder::new(serde_json::to_vec(&n)?).build()))
            .collect::<anyhow::Result<Vec<PgTask>>>()?;
        let mut tx = pool.begin().await?;
        queries::push_tasks(&mut *tx, QUEUE, tasks).await?;
        tx.commit().await?;
    }
    sqlx::query("VACUUM (ANALYZE)").execute(pool).await?;
    sqlx::query("CHECKPOINT").execute(pool).await.ok();
    Ok(())
}

/// Times the jobs from the start of the workers until none is left that is not done.
async fn burn(pool: &PgPool, count: usize, slots: usize) -> anyhow::Result<Duration> {
    let ran = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    for n in 0..WORKERS {
        let config = Config::default().queue(QUEUE).batch_size(BATCH).lock_tasks(false);
        let backend = PostgresStorage::<usize>::new(pool).with_config(config);
        let counter = Arc::clone(&ran);
        let worker = WorkerBuilder::new(format!("worker-{n}"))
            .backend(backend)
            .concurrency(slots)
            .data(counter)
            .build(noop);
        tokio::spawn(worker.run());
    }
    while ran.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let left = "SELECT EXISTS (SELECT FROM apalis.jobs WHERE status <> 'Done')";
    while sqlx::query_scalar::<_, bool>(left).fetch_one(pool).await? {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(begun.elapsed())
}

async fn noop(_: usize, ran: Data<Arc<AtomicUsize>>) -> Result<(), BoxDynError> {
    ran.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

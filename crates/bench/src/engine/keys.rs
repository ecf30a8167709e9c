//! Ordering keys: ten thousand of them with one hot key beside, under limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::cpu::Used;
use super::kinds::{Keyed, Noop};
use super::waits::{self, Percentiles, Starts};
use super::{Scene, fill, limits, run};
use crate::report::{Aim, Row, say};
use crate::stats::per_second;

/// Ordering keys that jobs are spread over.
const KEYS: usize = 10_000;
/// Ordering keys of the measure that has nothing beside it, and its jobs.
const FEW_KEYS: (usize, usize) = (1_000, 20_000);
/// The key that others wait behind, beyond the others.
const HOT: usize = KEYS;
/// A job each where waits are measured.
const EVERY: Duration = Duration::from_millis(10);
/// What the hot key may add to the others' waits, in milliseconds: what a busy machine does by itself.
const UNNOTICED_MS: f64 = 5.0;

/// Measures throughput, and waits of the others beside the hot key.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    few_keys(scene).await?;
    throughput(scene).await?;
    waits_beside_hot_key(scene).await
}

/// Jobs that wait behind each other by the score.
async fn few_keys(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let db = &scene.database.db;
    let (keys, count) = FEW_KEYS;
    let mut rates = Vec::new();
    for _ in 0..scene.size.slow_rounds {
        fill::clear(db).await?;
        let jobs = (0..count).map(|n| Keyed {
            n: Some(n),
            key: n % keys,
        });
        fill::each(db, jobs).await?;
        fill::settle(db).await?;
        rates.push(per_second(count, time_keyed(scene, count).await?));
    }
    let row = Row::new("keyed_jobs_1000_keys", "jobs/s", &rates);
    scene.report.push(row);
    Ok(())
}

async fn throughput(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let db = &scene.database.db;
    let (count, hot) = scene.size.keyed;
    let [mut keyed, mut plain] = [Vec::new(), Vec::new()];
    for round in 0..scene.size.slow_rounds {
        fill::clear(db).await?;
        limits::limits_on(db).await?;
        fill::each(db, hot_jobs(hot)).await?;
        fill::each(
            db,
            (0..count).map(|n| Keyed {
                n: Some(n),
                key: n % KEYS,
            }),
        )
        .await?;
        fill::settle(db).await?;
        let time = time_keyed(scene, count).await?;
        keyed.push(per_second(count, time));
        fill::clear(db).await?;
        fill::many(db, (0..count).map(|n| Noop { n })).await?;
        fill::settle(db).await?;
        plain.push(per_second(count, run::time::<Noop>(db, count).await?));
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        let [keyed, plain] = [last(&keyed), last(&plain)];
        say(&format!(
            "round {}: keyed {keyed:.0} jobs/s, unkeyed {plain:.0}",
            round + 1
        ));
    }
    let row = Row::new("keyed_jobs_10000_keys", "jobs/s", &keyed).beside(&plain);
    let note = format!(
        "{count} jobs over {KEYS} keys beside a key with {hot}, which do not count; limits on; \
         beside: {count} jobs without keys and limits"
    );
    scene
        .report
        .push(row.aim(Aim::RatioAtLeast(0.5)).note(note));
    Ok(())
}

/// Times the jobs of all keys but the hot one.
async fn time_keyed(scene: &Scene<'_>, count: usize) -> anyhow::Result<Duration> {
    let db = &scene.database.db;
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let used = Used::now(db).await?;
    let begun = Instant::now();
    let engine = run::start(db, run::SLOTS, move |job: Keyed| {
        if job.n.is_some() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        std::future::ready(())
    })
    .await?;
    run::wait_for(begun, &ran, count).await?;
    let done = "SELECT count(*) FROM job_history WHERE ordering_key <> $1";
    let hot = format!("key-{HOT}");
    let count = i64::try_from(count)?;
    while sqlx::query_scalar::<_, i64>(done)
        .bind(&hot)
        .fetch_one(db.pool())
        .await?
        < count
    {
        ensure!(begun.elapsed() < run::PATIENCE, "the history is not whole");
        tokio::time::sleep(run::LOOK).await;
    }
    let time = begun.elapsed();
    say(&Used::now(db).await?.since(used, run::history(db).await?));
    engine.shut_down().await;
    Ok(time)
}

async fn waits_beside_hot_key(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let (_, hot) = scene.size.keyed;
    let [mut beside, mut without] = [Percentiles::default(), Percentiles::default()];
    for round in 0..scene.size.slow_rounds {
        for turn in 0..2 {
            let with_hot = (round + turn) % 2 == 0;
            let waits = others_waits(scene, if with_hot { hot } else { 0 }).await?;
            if with_hot { &mut beside } else { &mut without }.push(&waits);
        }
    }
    let limit = crate::stats::median(&without.p99) + UNNOTICED_MS;
    let row = Row::new("keyed_wait_beside_hot_key_p99", "ms", &beside.p99).beside(&without.p99);
    let note = format!(
        "a job every 10 ms over {KEYS} keys beside a key with {hot} waiting; limits on; beside: \
         the same without that key; aim: that and {UNNOTICED_MS} ms"
    );
    scene.report.push(row.aim(Aim::AtMost(limit)).note(note));
    Ok(())
}

/// The waits of jobs over all keys but the hot one, which has `hot` jobs waiting.
async fn others_waits(scene: &Scene<'_>, hot: usize) -> anyhow::Result<Vec<Duration>> {
    let db = &scene.database.db;
    fill::clear(db).await?;
    limits::limits_on(db).await?;
    fill::each(db, hot_jobs(hot)).await?;
    fill::settle(db).await?;
    let starts = Starts::default();
    let noted = starts.clone();
    let engine = run::start(db, run::SLOTS, move |job: Keyed| {
        let noted = noted.clone();
        async move {
            match job.n {
                Some(n) => noted.note(n),
                // The hot key stays full: its handlers take their time.
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await?;
    let job = |n: usize| Keyed {
        n: Some(n),
        key: n % KEYS,
    };
    let waits = waits::measure(db, &starts, scene.size.pickups, EVERY, job).await;
    engine.shut_down().await;
    Ok(waits?.after_commit)
}

fn hot_jobs(count: usize) -> impl Iterator<Item = Keyed> {
    (0..count).map(|_| Keyed { n: None, key: HOT })
}

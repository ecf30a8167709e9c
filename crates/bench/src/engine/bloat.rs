//! Dead rows and the size of the hot tables while the engine runs at half of what it can do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use db::Db;

use super::kinds::Noop;
use super::{Scene, fill, run};
use crate::report::{Aim, Row, say};
use crate::stats::per_second;

/// The tables that jobs pass through.
const HOT_TABLES: &[&str] = &["jobs"];
/// Jobs that may be on their way while it is measured what the engine can do.
const ON_THEIR_WAY: usize = 5_000;
/// Jobs that one transaction enqueues meanwhile.
const AT_A_TIME: usize = 500;
/// How long that is measured.
const TRIAL: Duration = Duration::from_secs(8);
/// Jobs are enqueued this often at half of it.
const EVERY: Duration = Duration::from_millis(20);
/// The tables are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// The history is emptied this often, so that the disk holds it; retention would drop days of it.
const EMPTIED: Duration = Duration::from_mins(1);

/// The hot tables at one moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    dead_rows: f64,
    megabytes: f64,
}

/// Watches the tables.
///
/// # Errors
/// Those of the database, and when the engine falls behind.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let db = &scene.database.db;
    fill::clear(db).await?;
    fill::settle(db).await?;
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let engine = run::start(db, run::SLOTS, move |_: Noop| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    })
    .await?;
    let watched = async {
        let (capacity, enqueued) = capacity(db, &ran).await?;
        run::wait_for(Instant::now(), &ran, enqueued).await?;
        say(&format!(
            "enqueued and done: {capacity:.0} jobs/s; half of it from here on"
        ));
        let (time, _) = scene.size.watched;
        let samples = watch(db, capacity / 2.0, time).await?;
        anyhow::Ok((capacity, samples))
    };
    let watched = watched.await;
    engine.shut_down().await;
    let (capacity, (samples, enqueued)) = watched?;
    let behind = enqueued.saturating_sub(ran.load(Ordering::Relaxed));
    let nap = nap(db).await?;
    report(scene, &samples, (capacity, behind), nap);
    Ok(())
}

/// How long autovacuum waits between its rounds.
async fn nap(db: &Db) -> anyhow::Result<Duration> {
    let secs: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM current_setting('autovacuum_naptime')::interval)::float8",
    )
    .fetch_one(db.pool())
    .await?;
    Ok(Duration::from_secs_f64(secs))
}

/// Enqueues as fast as jobs are done; answers jobs per second and how many were enqueued.
async fn capacity(db: &Db, ran: &AtomicUsize) -> anyhow::Result<(f64, usize)> {
    let begun = Instant::now();
    let mut enqueued = 0;
    while begun.elapsed() < TRIAL {
        if enqueued - ran.load(Ordering::Relaxed) < ON_THEIR_WAY {
            fill::many(db, (0..AT_A_TIME).map(|n| Noop { n })).await?;
            enqueued += AT_A_TIME;
        } else {
            tokio::time::sleep(run::LOOK).await;
        }
    }
    Ok((
        per_second(ran.load(Ordering::Relaxed), begun.elapsed()),
        enqueued,
    ))
}

/// Enqueues at a steady rate for some time and looks at the tables meanwhile; answers how many jobs
/// that were, too.
async fn watch(db: &Db, rate: f64, time: Duration) -> anyhow::Result<(Vec<Sample>, usize)> {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(EVERY);
    let (mut samples, mut enqueued, mut emptied) = (Vec::new(), 0, begun);
    while begun.elapsed() < time {
        ticks.tick().await;
        let due = due(rate, begun.elapsed());
        let missing = due.saturating_sub(enqueued);
        fill::many(db, (0..missing).map(|n| Noop { n })).await?;
        enqueued += missing;
        if begun.elapsed() >= LOOK * u32::try_from(samples.len() + 1)? {
            samples.push(look(db, begun.elapsed()).await?);
            tell(&samples);
        }
        if emptied.elapsed() >= EMPTIED {
            sqlx::query("TRUNCATE job_history")
                .execute(db.pool())
                .await?;
            emptied = Instant::now();
        }
    }
    Ok((samples, enqueued))
}

/// Says once a minute how the tables are.
fn tell(samples: &[Sample]) {
    const MINUTE: usize = 60;
    if let Some(Sample {
        dead_rows,
        megabytes,
        ..
    }) = samples.last()
        && samples.len().is_multiple_of(MINUTE)
    {
        let minutes = samples.len() / MINUTE;
        say(&format!(
            "minute {minutes}: {dead_rows:.0} dead rows, {megabytes:.0} MB"
        ));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate times some minutes is a small positive number"
)]
fn due(rate: f64, elapsed: Duration) -> usize {
    (rate * elapsed.as_secs_f64()) as usize
}

async fn look(db: &Db, at: Duration) -> anyhow::Result<Sample> {
    let (dead_rows, megabytes) = sqlx::query_as(
        "SELECT coalesce(sum(n_dead_tup), 0)::float8,
                coalesce(sum(pg_total_relation_size(relid)), 0)::float8 / 1e6
         FROM pg_stat_user_tables WHERE relname = ANY($1)",
    )
    .bind(HOT_TABLES)
    .fetch_one(db.pool())
    .await?;
    Ok(Sample {
        at,
        dead_rows,
        megabytes,
    })
}

fn report(
    scene: &mut Scene<'_>,
    samples: &[Sample],
    (capacity, behind): (f64, usize),
    nap: Duration,
) {
    let (time, warm_up) = scene.size.watched;
    // Between two rounds dead rows only become more, which says nothing about where they end.
    let too_short = warm_up < nap * 2;
    let mut note = format!(
        "{:.0} jobs/s for {} s, which is half of {capacity:.0}; the last {} s beside as many after \
         the first; {behind} jobs were behind at the end",
        capacity / 2.0,
        time.as_secs(),
        warm_up.as_secs(),
    );
    if too_short {
        note += "; aims at nothing: autovacuum comes too rarely for a run so short";
    }
    let window = |from: Duration| {
        let until = from + warm_up;
        samples
            .iter()
            .filter(move |it| it.at >= from && it.at < until)
            .copied()
    };
    let [first, last] = [warm_up, time.saturating_sub(warm_up)];
    let dead = |from| mean(window(from).map(|it| it.dead_rows)).max(1.0);
    let size = |from| mean(window(from).map(|it| it.megabytes));
    // One moment in which the machine stood still makes it; vacuum takes it back.
    let largest = |from| window(from).map(|it| it.megabytes).fold(0.0, f64::max);
    let both = |figure: &dyn Fn(Duration) -> f64| [figure(first), figure(last)];
    for (measure, unit, [first, last], is_aimed_at) in [
        ("hot_table_dead_rows", "rows", both(&dead), true),
        ("hot_table_size", "MB", both(&size), true),
        ("hot_table_size_largest", "MB", both(&largest), false),
    ] {
        let row = Row::new(measure, unit, &[last]).beside(&[first]);
        let row = row.note(note.clone());
        scene.report.push(if too_short || !is_aimed_at {
            row
        } else {
            row.aim(Aim::RatioWithin(0.1))
        });
    }
}

fn mean(figures: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = figures.fold((0.0, 0.0), |(sum, count), it| (sum + it, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

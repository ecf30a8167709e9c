//! Claims over a large backlog beside claims over a small one.
//!
//! Seen from outside: all slots are taken by handlers that wait. They are let go at once, and the
//! time runs until as many others have begun: one batch finished, one batch claimed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use db::Db;
use tokio::sync::Semaphore;

use super::kinds::Owned;
use super::{Scene, fill, run};
use crate::report::{Aim, Row, say};
use crate::stats::percentile_ms;

/// Slots, and so the jobs of one batch.
const BATCH: usize = 500;
/// Batches of one round that count, after some that do not.
const BATCHES: usize = 20;
const WARM_UP: usize = 3;
/// Jobs that are ready in the small backlog.
const SMALL: usize = 1_000;
/// Tenants that the jobs are spread over.
const TENANTS: usize = 1_000;
/// When scheduled jobs are due: not while this runs.
const LATER_SECS: u64 = 24 * 3600;
/// What the engine gets to do whatever an enqueue makes it do, before the time runs.
const SETTLE: Duration = Duration::from_millis(20);

/// Handlers that begin and wait to be let go.
#[derive(Clone)]
struct Gate {
    begun: Arc<Mutex<Vec<Instant>>>,
    open: Arc<Semaphore>,
}

/// Measures both in turn, each in a database of its own.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let backlog = scene.size.backlog;
    let database = scene.server.database("backlog").await?;
    let large = &database.db;
    say(&format!(
        "filling in {backlog} ready and {backlog} scheduled jobs"
    ));
    fill::many(large, (0..backlog).map(ready)).await?;
    fill::each(large, (0..backlog).map(scheduled)).await?;
    fill::settle(large).await?;
    let small = &scene.database.db;
    let [mut over_large, mut over_small] = [Vec::new(), Vec::new()];
    for round in 0..scene.size.slow_rounds {
        fill::clear(small).await?;
        fill::many(small, (0..SMALL).map(ready)).await?;
        fill::settle(small).await?;
        over_small.push(batches(small).await?);
        over_large.push(batches(large).await?);
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        let [large, small] = [last(&over_large), last(&over_small)];
        say(&format!(
            "round {}: {large:.1} ms over {backlog}, {small:.1} over {SMALL}",
            round + 1
        ));
    }
    let row = Row::new("batch_over_backlog_p50", "ms", &over_large).beside(&over_small);
    let note = format!(
        "finish {BATCH} jobs and begin {BATCH}, with {backlog} ready and {backlog} scheduled jobs \
         of {TENANTS} tenants; beside: with {SMALL} ready"
    );
    scene.report.push(row.aim(Aim::RatioAtMost(1.5)).note(note));
    scene.server.drop_database(database).await
}

fn ready(n: usize) -> Owned {
    Owned::of(u32::try_from(n % TENANTS).unwrap_or_default())
}

fn scheduled(n: usize) -> Owned {
    Owned {
        delay_secs: LATER_SECS,
        ..ready(n)
    }
}

/// The median time of a batch; as many jobs are enqueued as are done.
async fn batches(db: &Db) -> anyhow::Result<f64> {
    let gate = Gate {
        begun: Arc::default(),
        open: Arc::new(Semaphore::new(0)),
    };
    let entered = gate.clone();
    let engine = run::start(db, BATCH, move |_: Owned| entered.clone().pass()).await?;
    let measured = async {
        let mut times = Vec::new();
        gate.wait_for(BATCH).await?;
        for batch in 1..=WARM_UP + BATCHES {
            fill::many(db, (0..BATCH).map(ready)).await?;
            tokio::time::sleep(SETTLE).await;
            let released = Instant::now();
            gate.open.add_permits(BATCH);
            let begun = gate.wait_for(BATCH * (batch + 1)).await?;
            times.push(begun.saturating_duration_since(released));
        }
        anyhow::Ok(percentile_ms(&times[WARM_UP..], 50))
    };
    let measured = measured.await;
    engine.stop_claiming();
    gate.open.add_permits(Semaphore::MAX_PERMITS / 2);
    engine.shut_down().await;
    measured
}

impl Gate {
    /// What a handler does: it notes that it began, and waits.
    async fn pass(self) {
        let now = Instant::now();
        self.begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(now);
        if let Ok(permit) = self.open.acquire().await {
            permit.forget();
        }
    }

    /// Waits until `count` handlers have begun, and answers when the last of them did.
    async fn wait_for(&self, count: usize) -> anyhow::Result<Instant> {
        let patience = Instant::now();
        loop {
            let (found, last) = self.look(count);
            if let Some(last) = last {
                return Ok(last);
            }
            ensure!(
                patience.elapsed() < run::PATIENCE,
                "{found} of {count} jobs began"
            );
            tokio::time::sleep(run::LOOK).await;
        }
    }

    /// How many handlers have begun, and when the `count`th of them did.
    fn look(&self, count: usize) -> (usize, Option<Instant>) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        (begun.len(), begun.get(count - 1).copied())
    }
}

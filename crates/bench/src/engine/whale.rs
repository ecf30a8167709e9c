//! How long small tenants wait beside a whale, and how long without one.

use std::time::Duration;

use super::kinds::Owned;
use super::waits::{self, Percentiles, Starts};
use super::{Scene, fill, run};
use crate::report::{Aim, Row, say};

/// How many jobs run at a time.
const SLOTS: usize = 16;
/// How long a handler takes.
const HANDLER: Duration = Duration::from_millis(5);
/// A job of a small tenant each.
const EVERY: Duration = Duration::from_millis(25);
/// Tenants that take turns beside the whale.
const SMALL_TENANTS: u32 = 10;

/// Measures both in turn.
///
/// # Errors
/// Those of the database, and when jobs get stuck.
pub(super) async fn measure(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let (backlog, count) = scene.size.beside_whale;
    let [mut idle, mut beside] = [Percentiles::default(), Percentiles::default()];
    for round in 0..scene.size.slow_rounds {
        for turn in 0..2 {
            let with_whale = (round + turn) % 2 == 0;
            let backlog = if with_whale { backlog } else { 0 };
            let waits = small_tenants(scene, backlog, count).await?;
            if with_whale { &mut beside } else { &mut idle }.push(&waits);
        }
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        say(&format!(
            "round {}: p99 {:.1} ms beside the whale, {:.1} without",
            round + 1,
            last(&beside.p99),
            last(&idle.p99)
        ));
    }
    let limit = crate::stats::median(&idle.p99) + 2.0 * HANDLER.as_secs_f64() * 1000.0;
    let row = Row::new("small_tenant_wait_p99", "ms", &beside.p99).beside(&idle.p99);
    let note = format!(
        "{SLOTS} slots, handlers of 5 ms, {backlog} jobs of the whale before {count} of small \
         tenants; beside: the same without the whale; aim: that and two handler times"
    );
    scene.report.push(row.aim(Aim::AtMost(limit)).note(note));
    let row = Row::new("small_tenant_wait_p50", "ms", &beside.p50).beside(&idle.p50);
    scene.report.push(row);
    Ok(())
}

/// The waits of small tenants' jobs that come in while the whale's are worked off.
async fn small_tenants(
    scene: &Scene<'_>,
    backlog: usize,
    count: usize,
) -> anyhow::Result<Vec<Duration>> {
    let db = &scene.database.db;
    fill::clear(db).await?;
    fill::many(db, (0..backlog).map(|_| Owned::of(0))).await?;
    fill::settle(db).await?;
    let starts = Starts::default();
    let noted = starts.clone();
    let engine = run::start(db, SLOTS, move |job: Owned| {
        if let Some(n) = job.n {
            noted.note(n);
        }
        tokio::time::sleep(HANDLER)
    })
    .await?;
    let small = |n: usize| Owned {
        n: Some(n),
        ..Owned::of(1 + u32::try_from(n).unwrap_or_default() % SMALL_TENANTS)
    };
    let waits = waits::measure(db, &starts, count, EVERY, small).await;
    engine.shut_down().await;
    Ok(waits?.after_commit)
}

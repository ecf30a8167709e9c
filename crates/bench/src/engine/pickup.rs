use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use db::Db;

use super::kinds::Pickup;
use super::run;
use crate::report::Report;
use crate::stats::percentile_ms;

/// One job each.
const EVERY: Duration = Duration::from_millis(10);

/// Times jobs, enqueued one at a time, from the commit to the start of the handler.
pub(super) async fn measure(db: &Db, seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    run::clear(db).await?;
    run::settle(db).await?;
    let starts: Arc<Mutex<Vec<(usize, Instant)>>> = Arc::default();
    let noted = Arc::clone(&starts);
    let engine = run::start(db, move |job: Pickup| {
        let now = Instant::now();
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push((job.n, now));
    })
    .await?;
    let count = usize::try_from(seconds * 100)?;
    let mut commits = Vec::with_capacity(count);
    let mut ticks = tokio::time::interval(EVERY);
    for n in 0..count {
        ticks.tick().await;
        let mut tx = db.system().await?;
        jobs::enqueue(&mut tx, &Pickup { n }).await?;
        tx.commit().await?;
        commits.push(Instant::now());
    }
    let patience = Instant::now();
    let all = loop {
        let all = starts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if all.len() >= count {
            break all;
        }
        ensure!(
            patience.elapsed() < Duration::from_secs(10),
            "{} of {count} jobs were picked up",
            all.len()
        );
        tokio::time::sleep(EVERY).await;
    };
    engine.shut_down().await;
    let times: Vec<_> = all
        .iter()
        .filter_map(|(n, start)| Some(start.saturating_duration_since(*commits.get(*n)?)))
        .collect();
    report.note("pickup_p50", percentile_ms(&times, 50), "ms");
    report.note("pickup_p99", percentile_ms(&times, 99), "ms");
    Ok(())
}

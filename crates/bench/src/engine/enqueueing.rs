use std::time::{Duration, Instant};

use db::Db;

use super::kinds::{Keyed, Noop};
use super::run;
use crate::report::Report;
use crate::stats::per_second;

/// How many enqueue at once.
const CLIENTS: usize = 16;

/// Ordering keys that jobs with keys are spread over.
const KEYS: usize = 1000;

/// Jobs with keys that one transaction enqueues.
const AT_A_TIME: usize = 500;

/// Counts jobs that clients enqueue side by side, each in a transaction of its own; no engine runs.
pub(super) async fn measure(db: &Db, seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    run::clear(db).await?;
    run::settle(db).await?;
    let begun = Instant::now();
    let limit = Duration::from_secs(seconds);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(enqueue_until(db.clone(), begun + limit)))
        .collect();
    let mut count = 0;
    for client in clients {
        count += client.await??;
    }
    let rate = per_second(count, begun.elapsed());
    report.note("enqueue_16_clients", rate, "jobs/s");
    Ok(())
}

async fn enqueue_until(db: Db, end: Instant) -> anyhow::Result<usize> {
    let mut count = 0;
    while Instant::now() < end {
        let mut tx = db.system().await?;
        jobs::enqueue(&mut tx, &Noop { n: count }).await?;
        tx.commit().await?;
        count += 1;
    }
    Ok(count)
}

/// Times jobs of a thousand ordering keys from the start of an engine to the last history row.
pub(super) async fn measure_keyed(
    db: &Db,
    count: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    run::clear(db).await?;
    for first in (0..count).step_by(AT_A_TIME) {
        let mut tx = db.system().await?;
        for n in first..count.min(first + AT_A_TIME) {
            jobs::enqueue(&mut tx, &Keyed { key: n % KEYS }).await?;
        }
        tx.commit().await?;
    }
    run::settle(db).await?;
    let time = run::time::<Keyed>(db, count).await?;
    report.note("keyed_jobs_1000_keys", per_second(count, time), "jobs/s");
    Ok(())
}

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use db::Db;
use tokio::process::Command;

use super::kinds::Noop;
use super::run;
use crate::report::{Report, say};
use crate::server::{Database, Server};
use crate::stats::{median, per_second};

/// Jobs that one transaction of the script takes, as the engine's claims do.
const BATCH: usize = 500;

/// Numbers of clients of pgbench; the better one counts.
const CLIENTS: [usize; 2] = [2, 4];

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/queries/claim_and_finish.sql");

/// Times no-op jobs through the engine, beside a bare script that does the same writes.
pub(super) async fn measure(
    server: &Server,
    database: &Database,
    (jobs, rounds): (usize, usize),
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut engine = Vec::new();
    let mut bare = [const { Vec::new() }; CLIENTS.len()];
    for round in 0..rounds {
        // Whoever comes later in a round has warmer files: they take turns.
        if round % 2 == 0 {
            engine.push(through_engine(&database.db, jobs).await?);
        }
        for (clients, figures) in CLIENTS.into_iter().zip(&mut bare) {
            figures.push(through_script(server, database, jobs, clients).await?);
        }
        if round % 2 == 1 {
            engine.push(through_engine(&database.db, jobs).await?);
        }
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        say(&format!(
            "round {}: engine {:.0} jobs/s, pgbench {:.0} with 2 clients, {:.0} with 4",
            round + 1,
            last(&engine),
            last(&bare[0]),
            last(&bare[1]),
        ));
    }
    let bare = bare.each_ref().map(|figures| median(figures));
    let best = bare.into_iter().fold(0.0, f64::max);
    report.beside("engine_jobs", median(&engine), "jobs/s", best, 0.4);
    for (clients, figure) in CLIENTS.into_iter().zip(bare) {
        report.note(format!("pgbench_jobs_{clients}_clients"), figure, "jobs/s");
    }
    Ok(())
}

async fn fill(db: &Db, count: usize) -> anyhow::Result<()> {
    run::clear(db).await?;
    let jobs: Vec<Noop> = (0..count).map(|n| Noop { n }).collect();
    let mut tx = db.system().await?;
    jobs::enqueue_many(&mut tx, &jobs).await?;
    tx.commit().await?;
    run::settle(db).await
}

async fn through_engine(db: &Db, jobs: usize) -> anyhow::Result<f64> {
    fill(db, jobs).await?;
    let time = run::time::<Noop>(db, jobs).await?;
    Ok(per_second(jobs, time))
}

async fn through_script(
    server: &Server,
    database: &Database,
    jobs: usize,
    clients: usize,
) -> anyhow::Result<f64> {
    let transactions = jobs / BATCH / clients;
    let done = transactions * BATCH * clients;
    fill(&database.db, jobs).await?;
    let flow: i64 = sqlx::query_scalar("SELECT flow FROM jobs LIMIT 1")
        .fetch_one(database.db.pool())
        .await?;
    let output = Command::new(server.pgbench())
        .args(["--no-vacuum", "--protocol=prepared", "--file", SCRIPT])
        .arg(format!("--define=flow={flow}"))
        .arg(format!("--client={clients}"))
        .arg(format!("--jobs={}", clients.min(2)))
        .arg(format!("--transactions={transactions}"))
        .arg(database.url.as_str())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("pgbench cannot be run")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench failed: {errors}");
    ensure!(
        run::history(&database.db).await? == done,
        "the script did not do its work: {errors}"
    );
    let tps = transactions_per_second(&printed).context("pgbench printed no rate")?;
    Ok(per_second(BATCH, std::time::Duration::from_secs(1)) * tps)
}

/// The rate that pgbench printed, time to connect excluded.
fn transactions_per_second(printed: &str) -> Option<f64> {
    let (_, rest) = printed.split_once("tps = ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_what_pgbench_prints() {
        let printed = "latency average = 1.5 ms\n\
                       tps = 97.531 (without initial connection time)\n";
        assert_eq!(transactions_per_second(printed), Some(97.531));
        assert_eq!(transactions_per_second("pgbench: error"), None);
    }
}

//! Bare scripts that do the engine's writes, run by the benchmark program of Postgres.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::server::{Database, Server};

/// How long a script runs.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// So many transactions of each client.
    Transactions(usize),
    /// So much time; whole seconds.
    Time(Duration),
}

/// Runs a script and returns transactions per second, time to connect excluded.
///
/// # Errors
/// When the program fails.
pub(super) async fn run(
    server: &Server,
    database: &Database,
    script: &str,
    clients: usize,
    length: Length,
) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script.sql");
    tokio::fs::write(&file, script).await?;
    let output = Command::new(server.pgbench())
        .args(["--no-vacuum", "--protocol=prepared", "--file"])
        .arg(&file)
        .arg(format!("--client={clients}"))
        .arg(format!("--jobs={}", clients.min(2)))
        .arg(match length {
            Length::Transactions(count) => format!("--transactions={count}"),
            Length::Time(time) => format!("--time={}", time.as_secs().max(1)),
        })
        .arg(database.url.as_str())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("pgbench cannot be run")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench failed: {errors}");
    transactions_per_second(&printed).context("pgbench printed no rate")
}

/// The rate that pgbench printed.
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

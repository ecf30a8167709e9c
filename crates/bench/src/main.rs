//! Measures the product beside bare Postgres, on a durable server of its own.
//!
//! `bench jobs` times the job engine, `bench http` the real binary from the webhook to the send.
//! Each prints a table and writes `target/bench/<suite>.json`; `docs/benchmarks.md` tells what the
//! figures mean.

mod engine;
mod product;
mod report;
mod server;
mod stats;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use report::{Report, say};
use server::Server;

/// Benchmarks of Meta Chat Platform.
#[derive(Parser)]
struct Arguments {
    /// The server to measure on; a temporary one with durable settings when missing.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// The job engine beside pgbench.
    Jobs(JobsArguments),
    /// From the webhook to the send, and memory.
    Http(HttpArguments),
}

/// How much the suite `jobs` measures.
#[derive(Args)]
struct JobsArguments {
    /// Jobs of one round.
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// Rounds; the medians count.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Jobs with an ordering key, over a thousand keys.
    #[arg(long, default_value_t = 20_000)]
    keyed: usize,
    /// How long jobs are enqueued one by one, in seconds, for each of two measures.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Skips everything but the throughput beside pgbench.
    #[arg(long)]
    throughput_only: bool,
}

/// How much the suite `http` measures.
#[derive(Args)]
struct HttpArguments {
    /// Messages of each latency measure.
    #[arg(long, default_value_t = 300)]
    messages: usize,
    /// How long webhooks are posted without a worker, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The program to measure; the one beside this program when missing.
    #[arg(long)]
    metachat: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let server = Server::start(arguments.database_url).await?;
    let measured = tokio::select! {
        measured = measure(&server, &arguments.suite) => measured,
        _ = interrupts.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminations.recv() => Err(anyhow::anyhow!("told to end")),
    };
    let stopped = server.stop().await;
    measured?.finish()?;
    stopped.context("the temporary server was not cleared away")
}

async fn measure(server: &Server, suite: &Suite) -> anyhow::Result<Report> {
    say(&server.describe().await?);
    match suite {
        Suite::Jobs(arguments) => engine::measure(server, arguments).await,
        Suite::Http(arguments) => product::measure(server, arguments).await,
    }
}

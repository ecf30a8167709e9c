//! Measures the product beside bare Postgres, on a durable server of its own.
//!
//! `bench jobs` times the job engine beside other job queues, `bench http` the real binary from the webhook to the send,
//! `bench webchat` thousands of connected web chats, `bench rag` what is found in documents and what that costs.
//! Each prints a table and writes `target/bench/<suite>.json`; `docs/benchmarks.md` tells what the
//! figures mean.

mod engine;
mod peers;
mod product;
mod report;
mod retrieval;
mod server;
mod stats;
mod webchat;

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
    /// The job engine beside bare scripts and other job queues.
    Jobs(JobsArguments),
    /// From the webhook to the send, and memory.
    Http(HttpArguments),
    /// Thousands of connected web chats: memory, and how soon one hears of a message.
    Webchat(WebchatArguments),
    /// What is found and how fast, what documents cost, what streaming adds.
    Rag(RagArguments),
}

/// How much the suite `jobs` measures.
#[derive(Args)]
struct JobsArguments {
    /// The long runs, an hour or two of them.
    #[arg(long)]
    full: bool,
    /// Rounds of each measure; the medians count. By default 5, in the short form 3 of what is slow.
    #[arg(long)]
    rounds: Option<usize>,
    /// Jobs of one round of throughput; by default 200,000, in the short form half.
    #[arg(long)]
    jobs: Option<usize>,
    /// Measures only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<engine::Measure>,
    /// Leaves out the job queues of other projects.
    #[arg(long)]
    without_peers: bool,
    /// A server with the extension hstore, for the peer that needs it, where the other lacks it.
    #[arg(long, env = "BENCH_HSTORE_URL", hide_env_values = true)]
    hstore_url: Option<String>,
}

/// How much the suite `http` measures.
#[derive(Args)]
struct HttpArguments {
    /// Measures only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<product::Measure>,
    /// Keeps each steady rate up for a minute.
    #[arg(long)]
    full: bool,
    /// Messages of each latency measure.
    #[arg(long, default_value_t = 300)]
    messages: usize,
    /// How long each steady rate is kept up, in seconds; by default 60, in the short form 20.
    #[arg(long)]
    seconds: Option<u64>,
    /// The program to measure; the one beside this program when missing.
    #[arg(long)]
    metachat: Option<std::path::PathBuf>,
}

impl HttpArguments {
    /// How long each steady rate is kept up.
    fn seconds(&self) -> u64 {
        let by_form = if self.full { 60 } else { 20 };
        self.seconds.unwrap_or(by_form)
    }
}

/// How much the suite `rag` measures.
#[derive(Args)]
struct RagArguments {
    /// Measures only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<retrieval::Measure>,
    /// A tenth of the chunks, which says little about speed.
    #[arg(long)]
    small: bool,
    /// Answers that are streamed, and searches that are timed.
    #[arg(long, default_value_t = 200)]
    answers: usize,
    /// The program to measure; the one beside this program when missing.
    #[arg(long)]
    metachat: Option<std::path::PathBuf>,
}

/// How much the suite `webchat` measures.
#[derive(Args)]
struct WebchatArguments {
    /// 5,000 clients instead of 1,000.
    #[arg(long)]
    full: bool,
    /// So many clients.
    #[arg(long)]
    clients: Option<usize>,
    /// Messages that are timed.
    #[arg(long, default_value_t = 500)]
    messages: usize,
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
    let mut report = Report::new(arguments.suite.name());
    let measured = tokio::select! {
        measured = measure(&server, &arguments.suite, &mut report) => measured,
        _ = interrupts.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminations.recv() => Err(anyhow::anyhow!("told to end")),
    };
    let stopped = server.stop().await;
    // What was found before something failed is worth keeping.
    report.finish()?;
    measured?;
    stopped.context("the temporary server was not cleared away")
}

async fn measure(server: &Server, suite: &Suite, report: &mut Report) -> anyhow::Result<()> {
    say(&server.describe().await?);
    match suite {
        Suite::Jobs(arguments) => engine::measure(server, arguments, report).await,
        Suite::Http(arguments) => product::measure(server, arguments, report).await,
        Suite::Webchat(arguments) => webchat::measure(server, arguments, report).await,
        Suite::Rag(arguments) => retrieval::measure(server, arguments, report).await,
    }
}

impl Suite {
    const fn name(&self) -> &'static str {
        match self {
            Self::Jobs(_) => "jobs",
            Self::Http(_) => "http",
            Self::Webchat(_) => "webchat",
            Self::Rag(_) => "rag",
        }
    }
}

//! Breaks the job engine at random and checks what is left.
//!
//! `chaos run` starts workers as processes of their own on a durable Postgres, enqueues jobs, kills,
//! stops and cuts off whatever it meets, heals everything and holds the recorded history to the
//! engine's promises; `docs/crashes.md` tells what is injected and what is checked. A seed names
//! the plan of a run.

mod check;
mod history;
mod kinds;
mod output;
mod record;
mod run;
mod sabotage;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::say;

/// Random faults for the job engine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs jobs under faults and checks what came of them.
    Run(run::Arguments),
    /// One worker process; started by `run`.
    Worker(worker::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Worker(arguments) => worker::run(arguments).await.map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("chaos: {error:#}"));
            ExitCode::from(2)
        }
    }
}

//! The one binary of Meta Chat Platform: API, workers, migrations and tools, by subcommand.

mod command;
mod failpoints;
mod local_model;
mod output;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::admin::AdminCommand;

/// A chat platform for businesses: WhatsApp and web chat, answered from their own documents.
#[derive(Parser)]
#[command(name = "metachat", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything in one process; without `DATABASE_URL` on an embedded Postgres.
    Up,
    /// Runs the API.
    Api,
    /// Runs a worker.
    Worker,
    /// Brings the database's schema up to date.
    Migrate,
    /// Prints the API's OpenAPI description.
    Openapi,
    /// Prints the events of the web chat as AsyncAPI.
    WebchatEvents,
    /// Prints the reference of the configuration, in Markdown.
    Configuration,
    /// Makes keys to the API.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Says what is missing, and how to get it.
    Doctor,
    /// Reads one document; started by workers, for each document a process of its own.
    #[command(hide = true)]
    Extract {
        /// What the parent says of the file.
        header: String,
    },
}

fn main() -> ExitCode {
    // Before anything else: the child has no environment, no files and no runtime.
    let arguments = Arguments::parse();
    if let Command::Extract { header } = &arguments.command {
        return rag::extract::child::main(header);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error.into()),
    };
    let ended = runtime.block_on(async {
        match arguments.command {
            Command::Up => command::up::run().await,
            Command::Api => command::serve::api().await,
            Command::Worker => command::serve::worker().await,
            Command::Migrate => command::migrate::run().await,
            Command::Openapi => output::print(&api::openapi_json()),
            Command::WebchatEvents => output::print(&api::webchat_events_json()),
            Command::Configuration => output::print(&config::markdown()),
            Command::Admin(what) => command::admin::run(what).await,
            Command::Doctor => command::doctor::run().await,
            Command::Extract { .. } => Ok(()),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}

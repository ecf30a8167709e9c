//! One worker process: the engine, and handlers that record what they do.

mod handler;
mod record;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use db::{Db, DbOptions};
use jobs::{Batch, Engine, EngineOptions, LaneBackend, schedules};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::kinds::{Beat, Version};
use crate::sabotage::Sabotage;
use handler::Handler;

/// How many jobs of each lane run at a time: more than there are connections.
const SLOTS: usize = 10;

/// Connections of a worker's pool: few, so that they can all be busy.
pub(crate) const CONNECTIONS: u32 = 6;

/// How long a worker may drain. Shorter than some handlers take.
const DRAIN: Duration = Duration::from_secs(2);

/// How a worker is started.
#[derive(Args, Clone)]
pub(crate) struct Arguments {
    /// The database.
    #[arg(long)]
    pub(crate) url: String,
    /// Which kinds it knows.
    #[arg(long, value_enum)]
    pub(crate) version: Version,
    /// How long a claim holds without a heartbeat.
    #[arg(long, default_value_t = 2000)]
    pub(crate) lease_ms: u64,
    /// Breaks it.
    #[arg(long, value_enum)]
    pub(crate) sabotage: Option<Sabotage>,
}

/// Runs until it is told to end.
///
/// # Errors
/// When the engine cannot be started although the database is there.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // Whoever kills the run kills its workers.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::WARN)
        .init();
    if let Some(failpoint) = arguments.sabotage.and_then(Sabotage::failpoint) {
        fail::cfg(failpoint, "return").map_err(anyhow::Error::msg)?;
    }
    let mut terminations = signal(SignalKind::terminate())?;
    let db = Db::connect_lazy(&DbOptions {
        url: arguments.url.clone(),
        max_connections: CONNECTIONS,
        acquire_timeout: Duration::from_secs(2),
    })?;
    let (engine, backends) = tokio::select! {
        started = start(&db, &arguments) => started?,
        _ = terminations.recv() => return Ok(()),
    };
    let stop = CancellationToken::new();
    let kinds = vec![schedules::Kind::of::<Beat>()];
    let schedules = tokio::spawn(schedules::run(db.clone(), kinds, stop.clone()));
    let handler = Arc::new(Handler::new(db, engine.session(), arguments.sabotage));
    for backend in backends {
        work(backend, &handler);
    }
    terminations.recv().await.context("no signals")?;
    stop.cancel();
    schedules.await?;
    engine.shut_down().await;
    Ok(())
}

/// Starts the engine; a database that is away is waited for.
async fn start(db: &Db, arguments: &Arguments) -> anyhow::Result<(Engine, Vec<LaneBackend>)> {
    let mut options = EngineOptions::new(arguments.version.kinds());
    options.interactive_slots = SLOTS;
    options.answers_slots = SLOTS;
    options.bulk_slots = SLOTS;
    options.lease = Duration::from_millis(arguments.lease_ms);
    options.poll = Duration::from_millis(300);
    options.drain = DRAIN;
    loop {
        match Engine::start(db.clone(), options.clone(), HashMap::new()).await {
            Ok(started) => return Ok(started),
            Err(error) if error.is_unavailable() => {
                tracing::warn!(%error, "not started yet");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn work(backend: LaneBackend, handler: &Arc<Handler>) {
    let handler = Arc::clone(handler);
    jobs::work_batches(backend, move |batch: Batch| {
        let handler = Arc::clone(&handler);
        async move { handler.run(batch).await }
    });
}

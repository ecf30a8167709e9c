use anyhow::Context as _;
use api::{AppState, Limits, StateParts};
use assistant::Assistant;
use config::Config;
use jobs::counters::{self, Counters};
use jobs::{EngineOptions, JobMetrics};
use telemetry::metrics::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use workers::Workers;

use super::scrape::Scrape;
use crate::setup;

/// Runs the API until it is told to end.
pub(crate) async fn api() -> anyhow::Result<()> {
    let config = setup::configure()?;
    let assistant = setup::assistant(&config, setup::database(&config)?)?;
    let listener = listen(&config).await?;
    let scrape = Scrape::start(&config).await?;
    let registry = scrape.registry.clone();
    model_metrics(&registry, &assistant);
    let end = told_to_end()?;
    // This process enqueues: what it counts belongs to the overview of queues.
    let db = assistant.db.clone();
    let counters = Counters::install(&db);
    let nothing_runs = counters::ProcessLoad::default;
    let counting = counters::run(db, counters, None, nothing_runs, end.clone());
    let counting = tokio::spawn(counting);
    let served = serve(&config, assistant, registry, listener, end).await;
    counting.await.ok();
    scrape.stop().await;
    served
}

/// Runs a worker until it is told to end.
pub(crate) async fn worker() -> anyhow::Result<()> {
    let config = setup::configure()?;
    let assistant = setup::assistant(&config, setup::database(&config)?)?;
    let scrape = Scrape::start(&config).await?;
    let registry = &scrape.registry;
    model_metrics(registry, &assistant);
    let worked = work(&config, assistant, registry, told_to_end()?).await;
    scrape.stop().await;
    worked
}

async fn work(
    config: &Config,
    assistant: Assistant,
    registry: &Registry,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let Some(workers) = end
        .run_until_cancelled(start_workers(config, assistant, registry))
        .await
    else {
        return Ok(());
    };
    end.cancelled().await;
    tracing::info!("the worker drains");
    workers?.shut_down().await;
    Ok(())
}

/// Opens the address to listen on, so that a taken one is told at once.
pub(crate) async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.server.listen;
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on (METACHAT_LISTEN)"))
}

/// Serves HTTP until `end`.
pub(crate) async fn serve(
    config: &Config,
    assistant: Assistant,
    registry: Registry,
    listener: TcpListener,
    end: CancellationToken,
) -> anyhow::Result<()> {
    if let Err(error) = assistant.db.check().await {
        // A database that is away comes back; one that is unfit does not change by itself.
        anyhow::ensure!(error.is_unavailable(), error);
        tracing::warn!(error = %error, "the API starts without its database");
    }
    let address = listener.local_addr()?;
    let state = AppState::new(StateParts {
        guard: setup::guard(config),
        admin_key: setup::admin_key(config)?.key,
        limits: Limits {
            max_upload_bytes: config.server.max_upload_bytes.into(),
            ..Limits::default()
        },
        trust_forwarded_for: config.server.trust_forwarded_for,
        registry,
        assistant,
    });
    tracing::info!(%address, "the API listens");
    Ok(api::serve(listener, state, end.cancelled_owned()).await?)
}

/// Starts the workers, waiting for the database if it is away.
pub(crate) async fn start_workers(
    config: &Config,
    assistant: Assistant,
    registry: &Registry,
) -> anyhow::Result<Workers> {
    let mut options = EngineOptions::new(workers::known_kinds());
    options.interactive_slots = config.jobs.slots_interactive.into();
    options.answers_slots = config.jobs.slots_answers.into();
    options.bulk_slots = config.jobs.slots_bulk.into();
    options.lease = config.jobs.lease;
    options.metrics = Some(job_metrics(registry, &assistant));
    loop {
        let started = match assistant.db.check().await {
            Ok(()) => Workers::start(assistant.clone(), options.clone()).await,
            Err(error) => Err(error),
        };
        match started {
            Ok(workers) => {
                tracing::info!(session = workers.session(), "the worker runs");
                return Ok(workers);
            }
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = %error, "the worker waits for its database");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the engine of this process counts, shown by its registry.
fn job_metrics(registry: &Registry, assistant: &Assistant) -> JobMetrics {
    let metrics = JobMetrics::new(workers::known_kinds().into_iter().map(|kind| kind.name));
    metrics.register(registry);
    let db = assistant.db.clone();
    metrics.look_at_tables(registry, move || {
        let db = db.clone();
        async move { jobs::metrics::depths(&db).await }
    });
    metrics
}

/// Shows what this process counts of calls to models; call it once.
pub(crate) fn model_metrics(registry: &Registry, assistant: &Assistant) {
    let metrics = assistant.spending.metrics();
    metrics.register(registry);
    metrics.watch_circuits(registry, &assistant.manager);
}

/// A token that is cancelled by Ctrl-C or SIGTERM; a second one ends the process at once.
pub(crate) fn told_to_end() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = token.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told.is_cancelled() {
                std::process::exit(130);
            }
            told.cancel();
        }
    });
    Ok(token)
}

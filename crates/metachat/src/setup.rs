//! Turns the configuration into what the processes run on.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use assistant::spending::Spending;
use assistant::{Assistant, MetaPlatform, Retention, Settings, WebchatCaps};
use channels::Graph;
use config::{Config, LogFormat};
use db::{Db, DbOptions};
use domain::{Clock, EmbeddingSettings};
use files::Files;
use llm::manager::{CircuitPolicy, Manager, ManagerPolicy};
use llm::{Embedders, LocalModel, Models, PlatformEmbedding, PlatformProviders, Prices, Timeouts};
use outbound::Guard;
use secrecy::{ExposeSecret as _, SecretString};
use secrets::{ApiKey, Keyring, keyfile};

use crate::failpoints;

/// The operator's key, and whether it was made just now.
pub(crate) struct AdminKey {
    pub(crate) key: SecretString,
    pub(crate) is_new: bool,
}

/// Reads the configuration, and starts the log by it.
pub(crate) fn configure() -> anyhow::Result<Config> {
    let config = Config::load()?;
    let format = match config.log.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::init(&config.log.filter, format)?;
    for name in &config.unknown {
        tracing::warn!(name, "no setting has this name: a typing error?");
    }
    failpoints::set_up(config.testing.failpoints.as_deref())?;
    outbound::install_crypto();
    let folder = &config.server.data_dir;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    Ok(config)
}

/// The database at `DATABASE_URL`.
pub(crate) fn database(config: &Config) -> anyhow::Result<Db> {
    let url = config.database.url.as_ref().context(
        "DATABASE_URL is not set: give the address of a Postgres, or run `metachat up`, which \
         brings its own",
    )?;
    connect(config, url.expose_secret())
}

/// The database at `url`.
pub(crate) fn connect(config: &Config, url: &str) -> anyhow::Result<Db> {
    let mut options = DbOptions::new(url);
    options.max_connections = config.database.max_connections.into();
    let db = Db::connect_lazy(&options)?;
    if let Some(url) = &config.live.redis_url {
        live::carry_by_redis(&db, url.expose_secret(), &config.live.redis_channel)
            .context("METACHAT_REDIS_URL")?;
    }
    Ok(db)
}

/// The operator's key: the configured one, or the one kept in the data folder.
pub(crate) fn admin_key(config: &Config) -> anyhow::Result<AdminKey> {
    if let Some(key) = &config.keys.admin_key {
        let key = key.clone();
        return Ok(AdminKey { key, is_new: false });
    }
    let path = config.server.data_dir.join("admin.key");
    let file = keyfile::read_or_create(&path, || ApiKey::generate().secret().clone())?;
    Ok(AdminKey {
        key: file.text,
        is_new: file.is_new,
    })
}

fn keyring(config: &Config) -> anyhow::Result<Keyring> {
    match &config.keys.master_key {
        Some(keys) => keys
            .expose_secret()
            .parse()
            .context("METACHAT_MASTER_KEY: 32 random bytes as base64 or hexadecimal are needed"),
        None => {
            let path = config.server.data_dir.join("master.key");
            Ok(keyfile::read_or_create_keyring(&path)?)
        }
    }
}

/// The models that tenants may choose.
fn models(config: &Config) -> anyhow::Result<Arc<Models>> {
    let timeouts = Timeouts {
        first_token_local: config.models.ollama_first_token,
        ..Timeouts::default()
    };
    let models = Models::new(providers(config), &guard(config), timeouts)?;
    Ok(Arc::new(models))
}

/// What turns texts into vectors, for the platform and for each tenant.
pub(crate) fn embedders(config: &Config) -> anyhow::Result<Embedders> {
    Ok(Embedders::new(models(config)?, &embedding(config))?)
}

/// Everything the use cases work with.
pub(crate) fn assistant(config: &Config, db: Db) -> anyhow::Result<Assistant> {
    let guard = guard(config);
    let models = models(config)?;
    let embedders = Embedders::new(Arc::clone(&models), &embedding(config))?;
    tracing::info!(
        embedder = embedders.platform().key(),
        "the embedder is chosen"
    );
    let manager = Manager::new(Arc::clone(&models), manager_policy(config));
    Ok(Assistant {
        db,
        clock: Clock::system(),
        keyring: Arc::new(keyring(config)?),
        files: Files::disk(config.server.data_dir.join("files")),
        models,
        embedders: Arc::new(embedders),
        manager: Arc::new(manager),
        spending: Arc::new(Spending::new(prices(config)?)),
        trusted: outbound::Client::trusted(outbound::Timeouts::default())?,
        guarded: outbound::Client::guarded(&guard)?,
        settings: Arc::new(settings(config)?),
    })
}

/// What is set up with providers of models.
fn providers(config: &Config) -> PlatformProviders {
    let models = &config.models;
    PlatformProviders {
        openai_api_key: models.openai_api_key.clone(),
        openai_base_url: Some(models.openai_base_url.clone()),
        openai_responses: models.openai_responses,
        anthropic_api_key: models.anthropic_api_key.clone(),
        anthropic_base_url: Some(models.anthropic_base_url.clone()),
        ollama_base_url: Some(models.ollama_url.clone()),
        ollama_context_tokens: models.ollama_context_tokens.map(NonZeroU32::get),
        ollama_keep_alive_seconds: models.ollama_keep_alive_seconds,
    }
}

fn embedding(config: &Config) -> PlatformEmbedding {
    let embedding = &config.embedding;
    PlatformEmbedding {
        settings: EmbeddingSettings {
            provider: embedding.provider.name().unwrap_or_default().to_owned(),
            model: embedding.model.clone().unwrap_or_default(),
            dimensions: embedding.dimensions,
            base_url: None,
        },
        local: local_model(config),
    }
}

/// The model of the provider `local`, whether it is there or not.
pub(crate) fn local_model(config: &Config) -> LocalModel {
    let embedding = &config.embedding;
    let folder = embedding.local_model_dir.clone();
    LocalModel {
        folder: folder.unwrap_or_else(|| config.server.data_dir.join("models/all-MiniLM-L6-v2")),
        at_a_time: embedding.local_model_batches,
    }
}

/// When another model is asked, and when none is.
const fn manager_policy(config: &Config) -> ManagerPolicy {
    let spending = &config.spending;
    ManagerPolicy {
        patience: spending.fallback_after,
        circuit: CircuitPolicy {
            failures: spending.circuit_failures,
            failure_percent: spending.circuit_failure_percent,
            least_calls: spending.circuit_least_calls,
            window: spending.circuit_window,
            open: spending.circuit_open,
            longest_open: spending.circuit_longest_open,
        },
    }
}

/// The prices that come with the program, under those of the operator's file.
fn prices(config: &Config) -> anyhow::Result<Prices> {
    let prices = Prices::bundled()?;
    let Some(path) = &config.spending.prices_file else {
        return Ok(prices);
    };
    let wrong = || format!("METACHAT_PRICES_FILE: {}", path.display());
    let table = std::fs::read_to_string(path).with_context(wrong)?;
    prices.overridden_by(&table).with_context(wrong)
}

/// Which addresses a tenant may set.
pub(crate) fn guard(config: &Config) -> Guard {
    Guard::new(config.outbound.allow.iter().cloned())
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let program = std::env::current_exe().context("the program cannot find itself")?;
    Ok(Settings {
        meta: MetaPlatform {
            graph: Graph {
                url: config.meta.graph_url.clone(),
                version: config.meta.graph_version.clone(),
            },
            app_id: config.meta.app_id.clone(),
            app_secret: config.meta.app_secret.clone(),
            verify_token: config.meta.verify_token.clone(),
        },
        send_reconcile: config.jobs.send_reconcile,
        provider_check: NonZeroU32::new(config.spending.provider_check_seconds)
            .map(|seconds| Duration::from_secs(seconds.get().into())),
        extract_program: unreplaced(&program).to_owned(),
        max_upload_bytes: config.server.max_upload_bytes.into(),
        webchat: WebchatCaps {
            sessions_per_address_hour: config.webchat.sessions_per_address_hour.into(),
            sessions_per_tenant_hour: config.webchat.sessions_per_tenant_hour.into(),
            messages_per_session: config.webchat.messages_per_session.into(),
            messages_per_minute: config.webchat.messages_per_minute.into(),
            files_per_session: config.webchat.files_per_session,
            max_file_bytes: config.webchat.max_file_bytes.into(),
        },
        retention: Retention {
            job_history_days: config.retention.job_history_days,
            dead_jobs_days: NonZeroU32::new(config.retention.dead_jobs_days),
            raw_items_days: config.retention.raw_items_days,
            webhook_attempts_days: config.retention.webhook_attempts_days,
            embedding_cache_days: config.retention.embedding_cache_days,
            model_calls_days: config.retention.model_calls_days,
        },
    })
}

/// On Linux the running program stays reachable here even if its file is replaced by a new build.
fn unreplaced(program: &Path) -> &Path {
    let own = Path::new("/proc/self/exe");
    if own.exists() && program.to_string_lossy().ends_with(" (deleted)") {
        own
    } else {
        program
    }
}

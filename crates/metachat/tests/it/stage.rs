//! What the processes play on: a database, Meta, a model provider and a data folder.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;
use testkit::TestDb;
use testkit::standin::{GraphOptions, GraphServer, OpenAiOptions, OpenAiServer};
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};

use crate::http::Http;
use crate::process::Process;

pub(crate) const ADMIN_KEY: &str = "the-operators-own-key";
pub(crate) const MODEL_KEY: &str = "sk-the-platforms-own";

const SCHEDULES_TOMORROW: &str = "INSERT INTO job_schedules (name, kind, spec, payload, next_at)
    VALUES ('upkeep', 'upkeep', '7 * * * *', '{}', now() + interval '1 day'),
        ('check-channels', 'check-channels', '23 * * * *', '{}', now() + interval '1 day'),
        ('check-providers', 'check-providers', '* * * * *', '{}', now() + interval '1 day'),
        ('refresh-sources', 'refresh-sources', '*/5 * * * *', '{}', now() + interval '1 day'),
        ('release-conversations', 'release-conversations', '* * * * *', '{}',
            now() + interval '1 day')";

/// Two stages at a time on two cores would make each other's processes late.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The surroundings of the processes of one test.
pub(crate) struct Stage {
    /// What Meta was sent.
    pub(crate) graph: GraphServer,
    /// What the model was asked.
    pub(crate) model: OpenAiServer,
    /// The database, past every policy.
    pub(crate) pool: PgPool,
    database_url: String,
    data: TempDir,
    started: AtomicU32,
    _database: Option<TestDb>,
    _alone: MutexGuard<'static, ()>,
}

/// The API's process and a client of it with the operator's key.
pub(crate) struct Api {
    pub(crate) process: Process,
    pub(crate) http: Http,
}

impl Api {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let base = self.http.base();
        base.trim_start_matches("http://").parse().unwrap()
    }
}

impl Stage {
    /// A stage with a migrated database of its own.
    pub(crate) async fn new() -> Self {
        let alone = ALONE.lock().await;
        let database = TestDb::new().await;
        // A job that comes by itself would be the one that a failpoint cuts off.
        sqlx::query(SCHEDULES_TOMORROW)
            .execute(database.pool())
            .await
            .unwrap();
        let url = database.url().to_owned();
        Self::set(&url, Some(database), alone).await
    }

    /// A stage on the database at `url`.
    pub(crate) async fn on(url: &str) -> Self {
        Self::set(url, None, ALONE.lock().await).await
    }

    async fn set(url: &str, database: Option<TestDb>, alone: MutexGuard<'static, ()>) -> Self {
        let model = OpenAiOptions {
            api_key: Some(MODEL_KEY.to_owned()),
            ..OpenAiOptions::default()
        };
        let pool = PgPoolOptions::new().max_connections(2);
        Self {
            graph: GraphServer::start(GraphOptions::default()).await.unwrap(),
            model: OpenAiServer::start(model).await.unwrap(),
            pool: pool.connect_lazy(url).unwrap(),
            database_url: url.to_owned(),
            data: tempfile::tempdir().unwrap(),
            started: AtomicU32::new(0),
            _database: database,
            _alone: alone,
        }
    }

    /// The program with a subcommand, and nothing in its environment but the stage.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = bare_command();
        command
            .arg(subcommand)
            .current_dir(self.data.path())
            .env("DATABASE_URL", &self.database_url)
            .env("METACHAT_DATABASE_MAX_CONNECTIONS", "8")
            .env("METACHAT_DATA_DIR", self.data.path())
            .env("METACHAT_LISTEN", "127.0.0.1:0")
            .env("METACHAT_ADMIN_KEY", ADMIN_KEY)
            .env("METACHAT_META_GRAPH_URL", self.graph.url())
            .env("METACHAT_OPENAI_BASE_URL", self.model.base_url())
            .env("METACHAT_OPENAI_API_KEY", MODEL_KEY)
            // The model gets questions alone.
            .env("METACHAT_EMBEDDING_PROVIDER", "builtin")
            .env("METACHAT_JOB_LEASE_SECONDS", "2")
            .env("METACHAT_SEND_RECONCILE_SECONDS", "3")
            .env("METACHAT_LOG_FORMAT", "json");
        command
    }

    /// Starts an API; returns when it listens.
    pub(crate) async fn api(&self) -> Api {
        self.api_with("").await
    }

    /// Starts an API with failpoints, such as `intake.before_commit=kill`.
    pub(crate) async fn api_with(&self, failpoints: &str) -> Api {
        self.api_in(&[("METACHAT_FAILPOINTS", failpoints)]).await
    }

    /// Starts an API whose visitors may say the same again and again, with failpoints.
    pub(crate) async fn patient_api(&self, failpoints: &str) -> Api {
        self.api_in(&[
            ("METACHAT_FAILPOINTS", failpoints),
            ("METACHAT_DATABASE_MAX_CONNECTIONS", "16"),
            ("METACHAT_WEBCHAT_MESSAGES_PER_MINUTE", "10000"),
            ("METACHAT_WEBCHAT_MESSAGES_PER_SESSION", "10000"),
        ])
        .await
    }

    /// Starts an API with more in its environment; returns when it listens.
    pub(crate) async fn api_in(&self, variables: &[(&str, &str)]) -> Api {
        let mut process = self.start_with("api", variables);
        let line = process.logged("the API listens").await;
        let base = format!("http://{}", line["address"].as_str().unwrap());
        let http = Http::new(&base, ADMIN_KEY);
        Api { process, http }
    }

    /// Starts a worker.
    pub(crate) fn worker(&self) -> Process {
        self.worker_with("")
    }

    /// Starts a worker with failpoints, such as `send.before_request=stop`.
    pub(crate) fn worker_with(&self, failpoints: &str) -> Process {
        self.start("worker", failpoints)
    }

    fn start(&self, subcommand: &str, failpoints: &str) -> Process {
        self.start_with(subcommand, &[("METACHAT_FAILPOINTS", failpoints)])
    }

    /// Starts a process with more in its environment.
    pub(crate) fn start_with(&self, subcommand: &str, variables: &[(&str, &str)]) -> Process {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.data.path().join(format!("{number}-{subcommand}.log"));
        let mut command = self.command(subcommand);
        command.envs(variables.iter().copied());
        Process::start(command, &log)
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

/// The program with an empty environment.
pub(crate) fn bare_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metachat"));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

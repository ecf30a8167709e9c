use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool, Postgres, SqlStr, Transaction};
use tokio::sync::broadcast;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::signal::{LiveCarrier, Signals};
use crate::tx::BEGIN;
use crate::{Error, Extensions, Result, Signal, SystemTx, TenantTx, preflight};

/// How long a connection may idle before it is tested when somebody takes it. One that was just used
/// is most likely sound, and a test is a round trip to the server.
const TEST_AFTER: Duration = Duration::from_secs(1);

/// How many connections may turn out to be dead before a transaction gives up beginning.
const BEGINS: usize = 5;

/// Connections beyond the pool's for the engine's claims and finishes: handlers that take all of the
/// others do not keep their own outcomes from being committed.
const FIXED: u32 = 8;

/// What every connection is told. A process that falls asleep, or whose machine vanishes, within a
/// transaction keeps its locks; the server ends it after ten seconds without a word, so that others
/// can go on.
///
/// A plan that was made while a table was small is kept while it grows: every look has its index, and
/// reading the whole table is never the right one. Compiling a plan that is run for a millisecond is
/// not, either.
const SETTINGS: [(&str, &str); 3] = [
    ("idle_in_transaction_session_timeout", "10s"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// What the engine's connections are told besides. Planning its statements costs more than running
/// them, and they find their rows by index whatever they are given. One that its client gave up goes
/// on in the server, with its locks: the time is more than any client waits.
const FIXED_SETTINGS: [(&str, &str); 2] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("statement_timeout", "30s"),
];

/// Prepared statements that a connection keeps; this program has fewer.
const STATEMENTS: usize = 1000;

/// The schema, as the files under `migrations/` tell it.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// How to connect.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// A `postgres://` address.
    pub url: String,
    /// Connections of the pool; listening and signalling take two more, an engine up to eight.
    pub max_connections: u32,
    /// How long a caller waits for a free connection before it is told that there is none.
    pub acquire_timeout: Duration,
}

impl DbOptions {
    /// Options with 20 connections and a wait of 5 seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 20,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

/// The database as one process sees it; clones share everything.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    fixed: PgPool,
    signals: Signals,
    extensions: Arc<Extensions>,
    _tasks: Arc<DropGuard>,
}

impl Db {
    /// Prepares a pool; connections are made when they are needed, so a database that is away does
    /// not fail the call.
    ///
    /// # Errors
    /// `Other` if the address is not one.
    pub fn connect_lazy(options: &DbOptions) -> Result<Self> {
        let connect = PgConnectOptions::from_str(&options.url)?
            .application_name("metachat")
            .statement_cache_capacity(STATEMENTS)
            .options(SETTINGS);
        let pool = pool_of(options, options.max_connections, connect.clone());
        let fixed = pool_of(options, FIXED, connect.options(FIXED_SETTINGS));
        let shutdown = CancellationToken::new();
        let signals = Signals::start(&pool, &shutdown);
        Ok(Self {
            pool,
            fixed,
            signals,
            extensions: Arc::default(),
            _tasks: Arc::new(shutdown.drop_guard()),
        })
    }

    /// Brings the schema up to date, with the rights of the connecting user.
    ///
    /// # Errors
    /// `Unfit` if the server is too old or has no pgvector, `Migrate` if a migration fails.
    pub async fn migrate(&self) -> Result<()> {
        preflight::check_server(&self.pool).await?;
        MIGRATOR.run(&self.pool).await?;
        Ok(())
    }

    /// Checks that the server, the schema and the roles are what the product needs.
    ///
    /// # Errors
    /// `Unfit` with a sentence that says what is wrong and how to mend it.
    pub async fn check(&self) -> Result<()> {
        preflight::check_server(&self.pool).await?;
        preflight::check_schema(&self.pool, &MIGRATOR).await?;
        preflight::check_roles(self).await
    }

    /// Whether the database answers within `limit`.
    ///
    /// # Errors
    /// `Unavailable` if it does not.
    pub async fn ping(&self, limit: Duration) -> Result<()> {
        let query = sqlx::query("SELECT 1").execute(&self.pool);
        match tokio::time::timeout(limit, query).await {
            Ok(answer) => answer.map(drop).map_err(Error::from),
            Err(_) => Err(Error::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// How many connections the server accepts in all.
    ///
    /// # Errors
    /// `Unavailable` if the database does not answer.
    pub async fn max_connections(&self) -> Result<u32> {
        let max: i32 = sqlx::query_scalar("SELECT current_setting('max_connections')::int")
            .fetch_one(&self.pool)
            .await?;
        Ok(max.unsigned_abs())
    }

    /// Begins a transaction of one tenant.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantTx> {
        TenantTx::begin(self, tenant).await
    }

    /// Begins a transaction of one tenant that meets rows by their keys alone: its statements are
    /// planned once, without looking at what they are given.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn tenant_by_keys(&self, tenant: TenantId) -> Result<TenantTx> {
        TenantTx::begin_by_keys(self, tenant).await
    }

    /// Begins a transaction of one tenant that reads, and sees all of the database as it was at one
    /// moment.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn tenant_snapshot(&self, tenant: TenantId) -> Result<TenantTx> {
        TenantTx::begin_snapshot(self, tenant).await
    }

    /// Begins a transaction that crosses tenants.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn system(&self) -> Result<SystemTx> {
        SystemTx::begin(self).await
    }

    /// Begins a transaction that crosses tenants and carries the work of several callers: its
    /// statements are planned once, without looking at how much they are given, and none waits for a
    /// lock for longer than 100 ms. What it cannot do, each of them better tries alone.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn system_shared(&self) -> Result<SystemTx> {
        SystemTx::begin_shared(self).await
    }

    /// Begins a transaction with the rights of the connecting user, for the engine's own tables.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        self.begin_with(SqlStr::from_static(BEGIN)).await
    }

    /// As [`Db::begin`], on a connection that keeps its plans as [`Db::fixed`] says.
    ///
    /// # Errors
    /// `Unavailable` if there is no connection.
    pub async fn begin_fixed(&self) -> Result<Transaction<'static, Postgres>> {
        begin_on(self.fixed.clone(), SqlStr::from_static(BEGIN)).await
    }

    /// Begins a transaction by a statement.
    pub(crate) async fn begin_with(
        &self,
        statement: SqlStr,
    ) -> Result<Transaction<'static, Postgres>> {
        begin_on(self.pool.clone(), statement).await
    }

    /// The pool itself, for the engine's single statements.
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Connections for statements that every job goes through, which find their rows by index alone:
    /// each is planned once, without looking at what it is given.
    pub const fn fixed(&self) -> &PgPool {
        &self.fixed
    }

    /// What is kept beside this database.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    pub(crate) fn shared_extensions(&self) -> Arc<Extensions> {
        Arc::clone(&self.extensions)
    }

    pub(crate) const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Hears the signals of every process, this one's included.
    pub fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Sends a signal that belongs to no transaction.
    pub fn signal(&self, signal: Signal) {
        self.signals.publish(signal);
    }

    /// Says that this process runs jobs itself: others hear of those it enqueues some milliseconds
    /// later.
    pub fn run_jobs(&self) {
        self.signals.run_jobs();
    }

    /// Lets something else than the database carry live signals to the other processes; `None` if
    /// something does already. What comes by the database is heard all the same.
    pub fn carry_live(&self) -> Option<LiveCarrier> {
        self.signals.carry_live()
    }

    /// Closes every connection.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.fixed.close());
    }
}

fn pool_of(options: &DbOptions, connections: u32, connect: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= TEST_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(connect)
}

/// Begins in a task of its own, so that nobody can drop it half done: sqlx forgets a BEGIN whose answer
/// was not waited for, and the pool would go on to hand out a connection with a transaction open, in
/// which statements that stand alone are never committed.
async fn begin_on(pool: PgPool, statement: SqlStr) -> Result<Transaction<'static, Postgres>> {
    let begun = tokio::spawn(async move {
        let mut begun = pool.begin_with(statement.clone()).await;
        for _ in 1..BEGINS {
            // Nothing was done yet: the next connection may be sound.
            if !begun.as_ref().is_err_and(is_lost) {
                break;
            }
            begun = pool.begin_with(statement.clone()).await;
        }
        begun
    });
    match begun.await {
        Ok(transaction) => Ok(transaction?),
        // The runtime is on its way out.
        Err(_) => Err(Error::Unavailable(sqlx::Error::WorkerCrashed)),
    }
}

/// Whether it says that the connection is gone, and nothing about the server.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // 57P01: somebody ended this session, and maybe no other.
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P01"),
        _ => false,
    }
}

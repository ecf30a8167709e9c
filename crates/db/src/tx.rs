use std::sync::Arc;

use domain::TenantId;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, SqlSafeStr as _, Transaction};
use tracing::Instrument as _;

use crate::signal::Signals;
use crate::{Db, Error, Extensions, Result, Signal};

/// Something to do in this process once a transaction is committed.
pub type AfterCommit = Box<dyn FnOnce() + Send>;

/// A transaction of either kind: what `jobs::enqueue` and signals need.
pub trait Tx: Send {
    /// The connection, for the crates that hold SQL.
    fn conn(&mut self) -> &mut PgConnection;

    /// Sends `signal` once, and only if, the transaction is committed.
    fn signal_after_commit(&mut self, signal: Signal);

    /// Calls `hook` once, and only if, the commit succeeded: right after it, in order, before the
    /// committing task goes on, and even if that is dropped meanwhile. It must neither block nor
    /// panic. A process that ends in between, or a commit whose answer got lost, never calls it.
    fn after_commit(&mut self, hook: AfterCommit);

    /// What is kept beside the database of this transaction.
    fn extensions(&self) -> &Extensions;
}

/// What every transaction begins with.
pub(crate) const BEGIN: &str = "BEGIN";

/// What one begins with that reads: whatever is committed meanwhile, it sees one state.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What one begins with that meets rows by their keys alone: its statements are planned once for
/// all, which for partitioned tables costs a fifth of planning them anew each time.
const BEGIN_BY_KEYS: &str = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan";

/// What one begins with that carries the work of several callers. A statement over arrays would be
/// planned anew each time, because a planner that sees a short one thinks it can do better. And a row
/// that somebody holds keeps up whoever wants it, but for longer than this not all the others.
const BEGIN_SHARED: &str =
    "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL lock_timeout = '100ms'";

/// The part both kinds share.
struct Inner {
    transaction: Transaction<'static, Postgres>,
    pending: Vec<Signal>,
    hooks: Vec<AfterCommit>,
    signals: Signals,
    extensions: Arc<Extensions>,
}

impl Inner {
    async fn begin(db: &Db, statement: String) -> Result<Self> {
        // Safe: built by this module from role names and a UUID.
        let statement = AssertSqlSafe(statement).into_sql_str();
        let transaction = db.begin_with(statement).await?;
        Ok(Self {
            transaction,
            pending: Vec::new(),
            hooks: Vec::new(),
            signals: db.signals().clone(),
            extensions: db.shared_extensions(),
        })
    }

    /// Commits, and does what follows from it even if nobody waits for the answer any more, as when the
    /// client of a request is gone: else what others were to be told of would be left to their looking.
    async fn commit(self) -> Result<()> {
        if self.hooks.is_empty() && self.pending.is_empty() {
            return Ok(self.transaction.commit().await?);
        }
        let whole = tokio::spawn(self.commit_and_tell().in_current_span());
        match whole.await {
            Ok(committed) => committed,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends: nobody knows what became of it.
                Err(_) => Err(Error::Unavailable(sqlx::Error::WorkerCrashed)),
            },
        }
    }

    async fn commit_and_tell(self) -> Result<()> {
        self.transaction.commit().await?;
        for hook in self.hooks {
            hook();
        }
        for signal in self.pending {
            self.signals.publish(signal);
        }
        Ok(())
    }

    fn signal_after_commit(&mut self, signal: Signal) {
        if !self.pending.contains(&signal) {
            self.pending.push(signal);
        }
    }
}

/// A transaction of one tenant: row-level security lets it meet no other's rows. Dropped without
/// [`TenantTx::commit`] it is rolled back.
pub struct TenantTx {
    tenant: TenantId,
    inner: Inner,
}

impl TenantTx {
    pub(crate) async fn begin(db: &Db, tenant: TenantId) -> Result<Self> {
        Self::begin_with(db, tenant, BEGIN).await
    }

    pub(crate) async fn begin_snapshot(db: &Db, tenant: TenantId) -> Result<Self> {
        Self::begin_with(db, tenant, BEGIN_SNAPSHOT).await
    }

    pub(crate) async fn begin_by_keys(db: &Db, tenant: TenantId) -> Result<Self> {
        Self::begin_with(db, tenant, BEGIN_BY_KEYS).await
    }

    async fn begin_with(db: &Db, tenant: TenantId, begin: &str) -> Result<Self> {
        let statement = format!(
            "{begin}; SET LOCAL ROLE metachat_app; SET LOCAL metachat.tenant_id = '{tenant}'"
        );
        let inner = Inner::begin(db, statement).await?;
        Ok(Self { tenant, inner })
    }

    /// Whose transaction it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Commits, then sends the signals.
    ///
    /// # Errors
    /// `Unavailable` if the connection was lost: the commit may or may not have happened.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await
    }
}

/// A transaction that crosses tenants: intake, look-ups, retention, the engine's dead letters.
/// Dropped without [`SystemTx::commit`] it is rolled back.
pub struct SystemTx {
    inner: Inner,
}

impl SystemTx {
    pub(crate) async fn begin(db: &Db) -> Result<Self> {
        Self::begin_with(db, BEGIN).await
    }

    pub(crate) async fn begin_shared(db: &Db) -> Result<Self> {
        Self::begin_with(db, BEGIN_SHARED).await
    }

    async fn begin_with(db: &Db, begin: &str) -> Result<Self> {
        let statement = format!("{begin}; SET LOCAL ROLE metachat_system");
        let inner = Inner::begin(db, statement).await?;
        Ok(Self { inner })
    }

    /// Has the statements that follow wait two seconds at most for the lock of a table: whatever uses
    /// the table waits behind them for as long. The caller comes again.
    pub(crate) async fn wait_briefly(&mut self) -> Result<()> {
        sqlx::query("SET LOCAL lock_timeout = '2s'")
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Commits, then sends the signals.
    ///
    /// # Errors
    /// `Unavailable` if the connection was lost: the commit may or may not have happened.
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await
    }
}

impl Tx for TenantTx {
    fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner.transaction
    }

    fn signal_after_commit(&mut self, signal: Signal) {
        self.inner.signal_after_commit(signal);
    }

    fn after_commit(&mut self, hook: AfterCommit) {
        self.inner.hooks.push(hook);
    }

    fn extensions(&self) -> &Extensions {
        &self.inner.extensions
    }
}

impl Tx for SystemTx {
    fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner.transaction
    }

    fn signal_after_commit(&mut self, signal: Signal) {
        self.inner.signal_after_commit(signal);
    }

    fn after_commit(&mut self, hook: AfterCommit) {
        self.inner.hooks.push(hook);
    }

    fn extensions(&self) -> &Extensions {
        &self.inner.extensions
    }
}

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use db::{Error, Result, TenantTx, Tx};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{ClaimedJob, Shared, limits};
use crate::counters::Place;
use crate::keys::Promoted;
use crate::signal::Word;
use crate::{keys, signal};

/// A job that will not run again.
#[derive(Clone, Debug)]
pub struct DeadJob {
    /// The job as it was last claimed.
    pub job: Arc<ClaimedJob>,
    /// Why, for people.
    pub reason: String,
}

/// What a kind does about the death of a tenant's job, in the transaction that buries it.
pub type DeadHook =
    Arc<dyn for<'a> Fn(&'a mut TenantTx, &'a DeadJob) -> BoxFuture<'a, Result<()>> + Send + Sync>;

/// The hooks by kind; kinds without one have nothing to do.
pub type DeadHooks = HashMap<&'static str, DeadHook>;

/// Which hold on a job is to be buried with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burial {
    /// How the last attempt ended, as the attempt log names it.
    outcome: &'static str,
    /// Whose hold it is; `None`: nobody's, the job waits and its deadline has passed.
    session: Option<i64>,
    /// Only if the lease has run out by now: for holds of others.
    if_expired: bool,
    /// It waits behind the head of its key: the key is locked before it, as whoever promotes does.
    key_first: bool,
}

impl Burial {
    /// This process's own hold.
    pub(super) const fn of_own(session: i64, outcome: &'static str) -> Self {
        Self {
            outcome,
            session: Some(session),
            if_expired: false,
            key_first: false,
        }
    }

    /// The hold of a process that let its lease run out.
    pub(super) const fn of_abandoned(session: i64) -> Self {
        Self {
            outcome: "crashed",
            session: Some(session),
            if_expired: true,
            key_first: false,
        }
    }

    /// How the last attempt ended.
    pub(super) const fn outcome(self) -> &'static str {
        self.outcome
    }

    /// A waiting job's.
    pub(super) const fn of_late(is_held: bool) -> Self {
        Self {
            outcome: "expired",
            session: None,
            if_expired: false,
            key_first: is_held,
        }
    }
}

/// How long a kind may take over a death.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Moves a job to the dead letters, fenced, together with what its kind does about it and the
/// promotion of the next job of its key. False: somebody else has the job.
pub(super) async fn bury(shared: &Shared, dead: &DeadJob, burial: Burial) -> Result<bool> {
    match bury_with(shared, dead, burial, true).await {
        Err(error) if !error.is_unavailable() => {
            // A hook that cannot succeed must not keep its job alive for ever.
            tracing::error!(error = ?error, job.id = dead.job.id, job.kind = %dead.job.kind,
                "a dead job's own clean-up failed; it is buried without it");
            bury_with(shared, dead, burial, false).await
        }
        buried => buried,
    }
}

async fn bury_with(
    shared: &Shared,
    dead: &DeadJob,
    burial: Burial,
    with_hook: bool,
) -> Result<bool> {
    let gone = match dead.job.tenant {
        Some(tenant) => {
            let mut tx = shared.db.tenant(tenant).await?;
            let gone = move_to_dead(&mut tx, dead, burial).await?;
            if gone.is_some() && with_hook {
                run_hook(shared, &mut tx, dead).await?;
            }
            // Last, because whoever enqueues takes a key after its own locks, too.
            let promoted = let_go(&mut tx, dead, gone.as_ref()).await?;
            tx.commit().await?;
            shared.notes.promoted(&promoted);
            gone
        }
        None => {
            let mut tx = shared.db.system().await?;
            let gone = move_to_dead(&mut tx, dead, burial).await?;
            let promoted = let_go(&mut tx, dead, gone.as_ref()).await?;
            tx.commit().await?;
            shared.notes.promoted(&promoted);
            gone
        }
    };
    if let Some(gone) = &gone {
        shared.notes.buried(dead.job.kind, gone.place());
        tracing::error!(job.id = dead.job.id, job.kind = %dead.job.kind, reason = %dead.reason,
            "a job is dead");
    }
    Ok(gone.is_some())
}

/// Lets the kind do its part; one that panics or hangs has failed at it.
async fn run_hook(shared: &Shared, tx: &mut TenantTx, dead: &DeadJob) -> Result<()> {
    let Some(hook) = shared.dead_hooks.get(dead.job.kind) else {
        return Ok(());
    };
    let work = AssertUnwindSafe(hook(tx, dead)).catch_unwind();
    match tokio::time::timeout(HOOK_TIMEOUT, work).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Error::corrupt("a hook panicked")),
        Err(_) => Err(Error::corrupt("a hook took too long")),
    }
}

/// What a buried job held.
#[derive(sqlx::FromRow)]
struct Gone {
    state: i16,
    permits: Vec<i64>,
}

impl Gone {
    /// Where the job stood.
    const fn place(&self) -> Place {
        Place::of_state(self.state)
    }
}

/// Moves the row, if it is still held as `burial` says.
async fn move_to_dead(tx: &mut impl Tx, dead: &DeadJob, burial: Burial) -> Result<Option<Gone>> {
    if let Some(key) = dead.job.ordering_key.as_ref().filter(|_| burial.key_first) {
        let key = (dead.job.kind.to_owned(), key.clone());
        keys::lock(tx.conn(), &[key]).await?;
    }
    Ok(sqlx::query_as(
        "WITH gone AS (
             DELETE FROM jobs
             WHERE id = $1 AND CASE
                 WHEN $3::bigint IS NULL THEN state <> 3 AND deadline_at < now()
                 ELSE claims = $2 AND session_id = $3 AND state = 3
                      AND (NOT $6 OR lease_until < now()) END
             RETURNING *
         ), attempted AS (
             INSERT INTO job_attempts (job_id, attempt, claimed_at, session_id, outcome, error)
             SELECT id, attempt, claimed_at, session_id, $4, $5 FROM gone
         ), kept AS (
             INSERT INTO dead_jobs (id, kind, lane, priority, tenant_id, reason, attempt,
                                    max_attempts, created_at, claimed_at, ordering_key,
                                    limit_key_1, limit_key_2, payload, run_at, session_id,
                                    traceparent)
             SELECT id, kind, lane, priority, tenant_id, $5, attempt, max_attempts, created_at,
                    claimed_at, ordering_key, limit_key_1, limit_key_2, payload, run_at,
                    session_id, traceparent
             FROM gone
         )
         SELECT state, coalesce(permits, '{}') AS permits FROM gone",
    )
    .bind(dead.job.id)
    .bind(dead.job.claim)
    .bind(burial.session)
    .bind(burial.outcome)
    .bind(&dead.reason)
    .bind(burial.if_expired)
    .fetch_optional(tx.conn())
    .await?)
}

/// Lets the next job of the key go, and what the limits counted.
async fn let_go(tx: &mut impl Tx, dead: &DeadJob, gone: Option<&Gone>) -> Result<Promoted> {
    let Some(gone) = gone else {
        return Ok(Promoted::default());
    };
    let mut words = Vec::new();
    let mut moved = Promoted::default();
    if let Some(key) = &dead.job.ordering_key {
        // A held one was only in the line.
        if gone.place() != Place::Held {
            let key = (dead.job.kind.to_owned(), key.clone());
            let promoted = keys::release(tx.conn(), &[key]).await?;
            words = promoted.words();
            moved = promoted;
        }
    }
    limits::release(tx.conn(), &gone.permits).await?;
    words.extend(gone.permits.iter().copied().map(Word::Room));
    if !words.is_empty() {
        tx.signal_after_commit(signal::say(words));
    }
    Ok(moved)
}

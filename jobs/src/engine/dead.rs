use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use db::{Error, Result, TenantTx, Tx};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{ClaimedJob, Shared};
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
    pub(super) outcome: &'static str,
    /// Whose hold it is.
    pub(super) session: i64,
    /// Only if the lease has run out by now: for holds of others.
    pub(super) if_expired: bool,
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
    let buried = match dead.job.tenant {
        Some(tenant) => {
            let mut tx = shared.db.tenant(tenant).await?;
            let buried = move_to_dead(&mut tx, dead, burial).await?;
            if buried && with_hook {
                run_hook(shared, &mut tx, dead).await?;
            }
            // Last, because whoever enqueues takes a key after its own locks, too.
            release_key(&mut tx, dead, buried).await?;
            tx.commit().await?;
            buried
        }
        None => {
            let mut tx = shared.db.system().await?;
            let buried = move_to_dead(&mut tx, dead, burial).await?;
            release_key(&mut tx, dead, buried).await?;
            tx.commit().await?;
            buried
        }
    };
    if buried {
        tracing::error!(job.id = dead.job.id, job.kind = %dead.job.kind, reason = %dead.reason,
            "a job is dead");
    }
    Ok(buried)
}

/// Lets the kind do its part; one that panics or hangs has failed at it.
async fn run_hook(shared: &Shared, tx: &mut TenantTx, dead: &DeadJob) -> Result<()> {
    let Some(hook) = shared.dead_hooks.get(dead.job.kind.as_str()) else {
        return Ok(());
    };
    let work = AssertUnwindSafe(hook(tx, dead)).catch_unwind();
    match tokio::time::timeout(HOOK_TIMEOUT, work).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Error::corrupt("a hook panicked")),
        Err(_) => Err(Error::corrupt("a hook took too long")),
    }
}

/// Moves the row, if it is still held as `burial` says.
async fn move_to_dead(tx: &mut impl Tx, dead: &DeadJob, burial: Burial) -> Result<bool> {
    let gone: Option<String> = sqlx::query_scalar(
        "WITH gone AS (
             DELETE FROM jobs
             WHERE id = $1 AND claims = $2 AND session_id = $3 AND state = 3
               AND (NOT $6 OR lease_until < now())
             RETURNING *
         ), attempted AS (
             INSERT INTO job_attempts (job_id, attempt, claimed_at, session_id, outcome, error)
             SELECT id, attempt, claimed_at, session_id, $4, $5 FROM gone
         )
         INSERT INTO dead_jobs (id, kind, lane, priority, tenant_id, reason, attempt, max_attempts,
                                created_at, claimed_at, ordering_key, limit_key_1, limit_key_2,
                                payload)
         SELECT id, kind, lane, priority, tenant_id, $5, attempt, max_attempts,
                created_at, claimed_at, ordering_key, limit_key_1, limit_key_2, payload
         FROM gone RETURNING kind",
    )
    .bind(dead.job.id)
    .bind(dead.job.claim)
    .bind(burial.session)
    .bind(burial.outcome)
    .bind(&dead.reason)
    .bind(burial.if_expired)
    .fetch_optional(tx.conn())
    .await?;
    Ok(gone.is_some())
}

/// Lets the next job of the key go.
async fn release_key(tx: &mut impl Tx, dead: &DeadJob, buried: bool) -> Result<()> {
    let Some(key) = dead.job.ordering_key.as_ref().filter(|_| buried) else {
        return Ok(());
    };
    let key = (dead.job.kind.clone(), key.clone());
    let words = keys::release(tx.conn(), &[key]).await?;
    if !words.is_empty() {
        tx.signal_after_commit(signal::say(words));
    }
    Ok(())
}

use std::collections::HashMap;
use std::sync::Arc;

use db::{Result, TenantTx, Tx};
use futures::future::BoxFuture;

use super::{ClaimedJob, Shared, keys};

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

/// Moves a job to the dead letters, fenced by `session`, together with what its kind does about it
/// and the promotion of the next job of its key. False: somebody else has the job.
pub(super) async fn bury(
    shared: &Shared,
    dead: &DeadJob,
    outcome: &str,
    session: i64,
) -> Result<bool> {
    match bury_with(shared, dead, outcome, session, true).await {
        Err(error) if !error.is_unavailable() => {
            // A hook that cannot succeed must not keep its job alive for ever.
            tracing::error!(error = ?error, job.id = dead.job.id, job.kind = %dead.job.kind,
                "a dead job's own clean-up failed; it is buried without it");
            bury_with(shared, dead, outcome, session, false).await
        }
        buried => buried,
    }
}

async fn bury_with(
    shared: &Shared,
    dead: &DeadJob,
    outcome: &str,
    session: i64,
    with_hook: bool,
) -> Result<bool> {
    let buried = match dead.job.tenant {
        Some(tenant) => {
            let mut tx = shared.db.tenant(tenant).await?;
            let buried = move_to_dead(&mut tx, dead, outcome, session).await?;
            let hook = shared.dead_hooks.get(dead.job.kind.as_str());
            if let Some(hook) = hook.filter(|_| buried && with_hook) {
                hook(&mut tx, dead).await?;
            }
            tx.commit().await?;
            buried
        }
        None => {
            let mut tx = shared.db.system().await?;
            let buried = move_to_dead(&mut tx, dead, outcome, session).await?;
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

/// Moves the row, fenced, and lets the next job of its key go.
async fn move_to_dead(
    tx: &mut impl Tx,
    dead: &DeadJob,
    outcome: &str,
    session: i64,
) -> Result<bool> {
    let gone: Option<String> = sqlx::query_scalar(
        "WITH gone AS (
             DELETE FROM jobs WHERE id = $1 AND attempt = $2 AND session_id = $3 AND state = 3
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
    .bind(dead.job.attempt)
    .bind(session)
    .bind(outcome)
    .bind(&dead.reason)
    .fetch_optional(tx.conn())
    .await?;
    if gone.is_none() {
        return Ok(false);
    }
    if let Some(key) = &dead.job.ordering_key {
        let key = (dead.job.kind.clone(), key.clone());
        if keys::release(tx.conn(), &[key]).await? {
            tx.signal_after_commit(super::finish::promoted());
        }
    }
    Ok(true)
}

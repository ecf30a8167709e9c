use chrono::{DateTime, Utc};
use db::{Result, Tx};
use domain::TenantId;
use sqlx::FromRow;

use super::limit_time;
use super::queues::{QueueOverview, Queues, now};
use crate::control::{LimitKey, LimitScope, limits_of, scope_of};

/// The most jobs of one tenant that are counted.
const MOST: i64 = 10_000;

/// A tenant's jobs that wait, counted over its own part of an index.
pub(super) const WAITING: &str = "
    SELECT kind, state, count(*) AS jobs, min(run_at) FILTER (WHERE state = 0) AS oldest
    FROM (SELECT kind, state, run_at FROM jobs
          WHERE tenant_id = $1 AND state <> 3 ORDER BY id LIMIT $2) AS own
    GROUP BY kind, state ORDER BY kind, state";

/// A tenant's running jobs, among all of them: the slots of the workers bound those.
const RUNNING: &str = "
    SELECT kind, 3::smallint AS state, count(*) AS jobs, NULL::timestamptz AS oldest
    FROM (SELECT kind FROM jobs WHERE state = 3 AND tenant_id = $1 LIMIT $2) AS own
    GROUP BY kind ORDER BY kind";

pub(super) const DEAD: &str = "
    SELECT kind, 4::smallint AS state, count(*) AS jobs, NULL::timestamptz AS oldest
    FROM (SELECT kind FROM dead_jobs WHERE tenant_id = $1 ORDER BY id LIMIT $2) AS own
    GROUP BY kind ORDER BY kind";

#[derive(FromRow)]
struct Counted {
    kind: String,
    state: i16,
    jobs: i64,
    oldest: Option<DateTime<Utc>>,
}

/// Says how a tenant's own jobs stand. What is more than 10,000 is counted up to there, and says so.
///
/// # Errors
/// Those of the database.
pub async fn tenant_overview(tx: &mut impl Tx, tenant: TenantId) -> Result<QueueOverview> {
    limit_time(tx).await?;
    let mut queues = Queues::default();
    let mut at_least = false;
    for statement in [WAITING, RUNNING, DEAD] {
        let rows: Vec<Counted> = sqlx::query_as(statement)
            .bind(tenant.as_uuid())
            .bind(MOST)
            .fetch_all(tx.conn())
            .await?;
        at_least |= rows.iter().map(|row| row.jobs).sum::<i64>() >= MOST;
        for row in rows {
            let queue = queues.of(&row.kind);
            match row.state {
                0 => queue.ready = row.jobs,
                1 => queue.scheduled = row.jobs,
                2 => queue.held = row.jobs,
                3 => queue.running = row.jobs,
                _ => queue.dead = row.jobs,
            }
            queue.oldest_ready_at = queue.oldest_ready_at.or(row.oldest);
        }
    }
    for queue in queues.0.values_mut() {
        queue.at_least = at_least;
    }
    add_pauses(tx, tenant, &mut queues).await?;
    Ok(QueueOverview {
        at: now(tx).await?,
        queues: queues.0.into_values().collect(),
        lanes: Vec::new(),
    })
}

/// Adds whatever pauses a kind for this tenant: its own pauses and the kind's.
async fn add_pauses(tx: &mut impl Tx, tenant: TenantId, queues: &mut Queues) -> Result<()> {
    let mut keys = vec![LimitKey::tenant(tenant).to_string()];
    for kind in queues.0.keys() {
        keys.push(LimitKey::kind(kind).to_string());
        keys.push(LimitKey::tenant_kind(tenant, kind).to_string());
    }
    for limit in limits_of(tx.conn(), &keys).await? {
        let Some(pause) = limit.pause else { continue };
        let applies = |kind: &str| match scope_of(&limit.key) {
            LimitScope::Kind(paused) | LimitScope::TenantKind(_, paused) => paused == kind,
            LimitScope::Tenant(_) | LimitScope::Own => true,
        };
        for queue in queues.0.values_mut().filter(|queue| applies(&queue.kind)) {
            queue.pause = queue.pause.max(Some(pause));
        }
    }
    Ok(())
}

use std::sync::Arc;

use chrono::{DateTime, Utc};
use db::Result;
use sqlx::FromRow;
use uuid::Uuid;

use super::dead::{self, Burial, DeadJob};
use super::{ClaimedJob, Shared};

/// The most jobs one round rescues.
const BATCH: i64 = 200;

/// A job whose lease ran out, with the session that had it.
#[derive(FromRow)]
struct Abandoned {
    id: i64,
    kind: String,
    claims: i32,
    attempt: i16,
    max_attempts: i16,
    tenant_id: Option<Uuid>,
    ordering_key: Option<String>,
    limit_key_1: Option<String>,
    limit_key_2: Option<String>,
    payload: String,
    created_at: DateTime<Utc>,
    session_id: i64,
}

/// Takes jobs from processes that died or fell asleep: back to ready while attempts are left, to
/// the dead letters otherwise. Every process does this for the kinds it knows.
pub(super) async fn run(shared: Arc<Shared>) {
    let every = shared.options.lease / 3;
    loop {
        if let Err(error) = round(&shared).await {
            tracing::warn!(error = %error, "abandoned jobs could not be rescued");
        }
        tokio::time::sleep(every).await;
    }
}

async fn round(shared: &Shared) -> Result<()> {
    let exhausted: Vec<Abandoned> = sqlx::query_as(
        "SELECT id, kind, claims, attempt, max_attempts, tenant_id, ordering_key, limit_key_1,
                limit_key_2, payload::text AS payload, created_at, session_id
         FROM jobs
         WHERE state = 3 AND lease_until < now() AND attempt >= max_attempts AND kind = ANY($1)
         LIMIT $2",
    )
    .bind(&shared.kinds)
    .bind(BATCH)
    .fetch_all(shared.db.pool())
    .await?;
    for row in exhausted {
        let burial = Burial {
            outcome: "crashed",
            session: row.session_id,
            if_expired: true,
        };
        let dead = DeadJob {
            reason: format!(
                "its worker crashed or fell asleep in attempt {}",
                row.attempt
            ),
            job: Arc::new(row.into()),
        };
        // One that cannot be buried now must not keep the others waiting.
        if let Err(error) = dead::bury(shared, &dead, burial).await {
            tracing::warn!(error = %error, job.id = dead.job.id, "a job could not be buried");
        }
    }
    let rescued = put_back(shared).await?;
    if rescued > 0 {
        tracing::warn!(rescued, "jobs of lost workers will run again");
        shared.wake_all();
    }
    sqlx::query(
        "DELETE FROM worker_sessions AS s
         WHERE seen_at < now() - make_interval(secs => $1)
           AND NOT EXISTS (SELECT FROM jobs WHERE state = 3 AND session_id = s.id)",
    )
    .bind((shared.options.lease * 10).as_secs_f64())
    .execute(shared.db.pool())
    .await?;
    Ok(())
}

async fn put_back(shared: &Shared) -> Result<u64> {
    let rescued = sqlx::query(
        "WITH lost AS MATERIALIZED (
             SELECT id, session_id FROM jobs
             WHERE state = 3 AND lease_until < now() AND attempt < max_attempts AND kind = ANY($1)
             LIMIT $2 FOR UPDATE SKIP LOCKED
         ), moved AS (
             UPDATE jobs AS j SET state = 0, session_id = NULL, lease_until = NULL,
                    last_error = 'its worker crashed or fell asleep'
             FROM lost WHERE j.id = lost.id
             RETURNING j.id, j.attempt, j.claimed_at, lost.session_id
         )
         INSERT INTO job_attempts (job_id, attempt, claimed_at, session_id, outcome, error)
         SELECT id, attempt, claimed_at, session_id, 'crashed',
                'its worker crashed or fell asleep' FROM moved",
    )
    .bind(&shared.kinds)
    .bind(BATCH)
    .execute(shared.db.pool())
    .await?
    .rows_affected();
    Ok(rescued)
}

impl From<Abandoned> for ClaimedJob {
    fn from(row: Abandoned) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            claim: row.claims,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            tenant: row.tenant_id.map(Into::into),
            ordering_key: row.ordering_key,
            limit_keys: [row.limit_key_1, row.limit_key_2],
            payload: row.payload,
            created_at: row.created_at,
        }
    }
}

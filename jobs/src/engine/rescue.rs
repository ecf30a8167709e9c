use std::sync::Arc;

use db::Result;
use sqlx::FromRow;

use super::claim::Row;
use super::dead::{self, Burial, DeadJob};
use super::{ClaimedJob, Shared};

/// The most jobs one round rescues.
const BATCH: i64 = 200;

/// A job whose lease ran out, with the session that had it.
#[derive(FromRow)]
struct Abandoned {
    #[sqlx(flatten)]
    job: Row,
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
        let job = ClaimedJob::from(row.job);
        let dead = DeadJob {
            reason: format!(
                "its worker crashed or fell asleep in attempt {}",
                job.attempt
            ),
            job: Arc::new(job),
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

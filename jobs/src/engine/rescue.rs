//! Taking jobs from processes that died or fell asleep, and burying what is too late.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use db::Result;
use sqlx::FromRow;
use uuid::Uuid;

use super::dead::{self, Burial, DeadJob};
use super::ready::Flow;
use super::{ClaimedJob, Shared, limits};
use crate::inspect::LIVE;
use crate::signal::{self, Word};

/// The most jobs one round takes of each sort.
const BATCH: i64 = 200;
const CRASHED: &str = "its worker crashed or fell asleep";

/// A job that is to be buried, whoever had it.
#[derive(FromRow)]
struct Row {
    id: i64,
    kind: String,
    flow: i64,
    claims: i32,
    attempt: i16,
    max_attempts: i16,
    tenant_id: Option<Uuid>,
    priority: i16,
    limit_key_1: Option<String>,
    limit_key_2: Option<String>,
    ordering_key: Option<String>,
    payload: String,
    created_at: DateTime<Utc>,
    run_at: DateTime<Utc>,
    claimed_at: Option<DateTime<Utc>>,
    session_id: Option<i64>,
    traceparent: Option<String>,
    state: i16,
}

impl Row {
    fn into_job(self, shared: &Shared) -> Option<ClaimedJob> {
        let kind = shared.kind(&self.kind)?;
        let tenant = self.tenant_id.map(Into::into);
        let keys = [self.limit_key_1, self.limit_key_2];
        Some(ClaimedJob {
            id: self.id,
            kind: kind.name,
            flow: Arc::new(Flow::new(self.flow, kind, tenant, self.priority, &keys)),
            claim: self.claims,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            tenant,
            ordering_key: self.ordering_key,
            payload: self.payload,
            created_at: self.created_at,
            run_at: self.run_at,
            claimed_at: self.claimed_at.unwrap_or(self.run_at),
            permits: Vec::new(),
            deadline_in: None,
            is_cancelled: false,
            traceparent: self.traceparent,
        })
    }
}

/// Selects the jobs that are as it says, as [`Row`]s.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, kind, flow, claims, attempt, max_attempts, tenant_id, priority, limit_key_1,
                    limit_key_2, ordering_key, payload::text AS payload, created_at, run_at,
                    claimed_at, session_id, traceparent, state
             FROM jobs ",
            $condition
        )
    };
}

pub(super) const EXHAUSTED: &str = select!(
    "WHERE state = 3 AND lease_until < now() AND kind = ANY($1)
       AND attempt >= max_attempts AND cancel_requested_at IS NULL
     LIMIT $2"
);
pub(super) const LATE: &str = select!(
    "WHERE deadline_at IS NOT NULL AND state <> 3 AND deadline_at < now() AND kind = ANY($1)
     ORDER BY deadline_at LIMIT $2"
);
pub(super) const PUT_BACK: &str = "
    WITH lost AS MATERIALIZED (
        SELECT id, session_id, attempt, permits FROM jobs
        WHERE state = 3 AND lease_until < now() AND kind = ANY($1)
          AND (attempt < max_attempts OR cancel_requested_at IS NOT NULL)
        LIMIT $2 FOR UPDATE SKIP LOCKED
    ), moved AS (
        UPDATE jobs AS j SET state = 0, session_id = NULL, lease_until = NULL, permits = NULL,
               last_error = $3, attempt = least(j.attempt, j.max_attempts - 1)
        FROM lost WHERE j.id = ANY(ARRAY(SELECT id FROM lost)) AND j.id = lost.id
        RETURNING j.id, j.kind, j.flow, lost.attempt, j.claimed_at, lost.session_id, lost.permits
    ), logged AS (
        INSERT INTO job_attempts (job_id, attempt, claimed_at, session_id, outcome, error)
        SELECT id, attempt, claimed_at, session_id, 'crashed', $3 FROM moved
    )
    SELECT id, kind, flow, coalesce(permits, '{}') AS permits FROM moved";

/// Back to ready while attempts are left, to the dead letters otherwise. Every process does this
/// for the kinds it knows.
pub(super) async fn rescue_for_ever(shared: Arc<Shared>) {
    let every = shared.options.lease / 3;
    loop {
        if let Err(error) = round(&shared).await {
            tracing::warn!(error = %error, "abandoned jobs could not be rescued");
        }
        tokio::time::sleep(every).await;
    }
}

async fn round(shared: &Shared) -> Result<()> {
    bury_exhausted(shared).await?;
    bury_late(shared).await?;
    put_back(shared).await?;
    strike_off(shared).await
}

pub(super) const STRIKE_OFF: &str = "
    DELETE FROM worker_sessions AS s
    WHERE seen_at < now() - make_interval(secs => $1) AND s.id <> $2
      AND NOT EXISTS (SELECT FROM jobs WHERE state = 3 AND session_id = s.id)";

/// Strikes off others that give no sign of life. This process is here, even if it could not say so.
async fn strike_off(shared: &Shared) -> Result<()> {
    sqlx::query(STRIKE_OFF)
        .bind((shared.options.lease * 10).max(LIVE).as_secs_f64())
        .bind(shared.session.id)
        .execute(shared.db.fixed())
        .await?;
    Ok(())
}

/// Buries jobs whose last attempt was abandoned.
async fn bury_exhausted(shared: &Shared) -> Result<()> {
    let exhausted: Vec<Row> = sqlx::query_as(EXHAUSTED)
        .bind(&shared.kinds)
        .bind(BATCH)
        .fetch_all(shared.db.fixed())
        .await?;
    for row in exhausted {
        let burial = Burial::of_abandoned(row.session_id.unwrap_or_default());
        let reason = format!("{CRASHED} in attempt {}", row.attempt);
        bury(shared, row, reason, burial).await;
    }
    Ok(())
}

/// Buries waiting jobs whose deadline has passed.
async fn bury_late(shared: &Shared) -> Result<()> {
    let late: Vec<Row> = sqlx::query_as(LATE)
        .bind(&shared.kinds)
        .bind(BATCH)
        .fetch_all(shared.db.fixed())
        .await?;
    for row in late {
        let reason = crate::Failure::Expired.chain();
        let burial = Burial::of_late(row.state == 2);
        bury(shared, row, reason, burial).await;
    }
    Ok(())
}

/// One that cannot be buried now must not keep the others waiting.
async fn bury(shared: &Shared, row: Row, reason: String, burial: Burial) {
    let Some(job) = row.into_job(shared) else {
        return;
    };
    let dead = DeadJob {
        reason,
        job: Arc::new(job),
    };
    match dead::bury(shared, &dead, burial).await {
        Ok(true) => shared.notes.died(dead.job.kind, burial.outcome()),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(error = %error, job.id = dead.job.id, "a job could not be buried");
        }
    }
}

/// What a rescued job was.
#[derive(FromRow)]
struct Rescued {
    id: i64,
    kind: String,
    flow: i64,
    permits: Vec<i64>,
}

/// Puts abandoned jobs back. One that somebody cancelled goes back as well, and is refused by
/// whoever claims it.
async fn put_back(shared: &Shared) -> Result<()> {
    let mut tx = shared.db.begin_fixed().await?;
    let rescued: Vec<Rescued> = sqlx::query_as(PUT_BACK)
        .bind(&shared.kinds)
        .bind(BATCH)
        .bind(CRASHED)
        .fetch_all(&mut *tx)
        .await?;
    if rescued.is_empty() {
        return Ok(());
    }
    let permits: Vec<i64> = rescued.iter().flat_map(|job| job.permits.clone()).collect();
    limits::release(&mut tx, &permits).await?;
    tx.commit().await?;
    for job in &rescued {
        shared.notes.rescued(&job.kind);
    }
    tracing::warn!(
        rescued = rescued.len(),
        "jobs of lost workers will run again"
    );
    let flows = rescued.iter().map(|job| Word::Flow {
        flow: job.flow,
        id: job.id,
    });
    let room = permits.into_iter().map(Word::Room);
    shared.db.signal(signal::say(flows.chain(room)));
    Ok(())
}

use std::time::Instant;

use chrono::{DateTime, Utc};
use db::Result;
use sqlx::FromRow;
use uuid::Uuid;

use super::{ClaimedJob, Shared};
use crate::Lane;

/// Takes up to `limit` ready jobs of a lane. The attempt is raised here, so that a crash counts.
///
/// MATERIALIZED, because a planner that inlines the sub-select may run it again and take more than
/// the limit. An array, because a planner that guesses the limit would join by reading the whole
/// table.
const CLAIM: &str = "
    WITH picked AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE state = 0 AND lane = $1 AND kind = ANY($2)
        ORDER BY lane, priority, id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs AS j SET
        state = 3,
        attempt = j.attempt + 1,
        claims = j.claims + 1,
        session_id = $4,
        claimed_at = now(),
        lease_until = now() + make_interval(secs => $5),
        unique_key = CASE WHEN j.unique_until_started THEN NULL ELSE j.unique_key END
    WHERE j.id = ANY(ARRAY(SELECT id FROM picked))
    RETURNING j.id, j.kind, j.claims, j.attempt, j.max_attempts, j.tenant_id, j.ordering_key,
              j.limit_key_1, j.limit_key_2, j.payload::text AS payload, j.created_at";

/// A job as the statements that take hold of one return it.
#[derive(FromRow)]
pub(super) struct Row {
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
}

impl From<Row> for ClaimedJob {
    fn from(row: Row) -> Self {
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

/// Claims, and says until when the claim surely holds by the steady clock.
pub(super) async fn claim(
    shared: &Shared,
    lane: Lane,
    limit: usize,
) -> Result<(Vec<ClaimedJob>, Instant)> {
    let lease = shared.options.lease;
    // The lease counts from when the server ran the statement: not before it was sent.
    let until = Instant::now() + lease;
    let rows: Vec<Row> = sqlx::query_as(CLAIM)
        .bind(lane.number())
        .bind(&shared.kinds)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(shared.session)
        .bind(lease.as_secs_f64())
        .fetch_all(shared.db.pool())
        .await?;
    let mut jobs: Vec<ClaimedJob> = rows.into_iter().map(ClaimedJob::from).collect();
    // An UPDATE returns its rows in no order.
    jobs.sort_unstable_by_key(|job| job.id);
    Ok((jobs, until))
}

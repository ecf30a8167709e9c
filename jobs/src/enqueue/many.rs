use db::{Result, Tx};
use sqlx::PgConnection;

use super::{encode, traceparent};
use crate::Job;
use crate::counters::{self, Place};
use crate::signal::{self, Word};

/// Enqueues many jobs without ordering or unique keys in few statements; for bulk work.
///
/// # Errors
/// Those of the database.
pub async fn enqueue_many<J: Job>(tx: &mut impl Tx, jobs: &[J]) -> Result<()> {
    let mut words = Vec::new();
    let (mut ready, mut scheduled) = (0, 0);
    for batch in jobs.chunks(1000) {
        for (flow, id, is_ready, count) in insert_batch(tx.conn(), batch).await? {
            if is_ready {
                words.push(Word::Flow { flow, id });
                ready += count;
            } else {
                words.push(Word::Due);
                scheduled += count;
            }
        }
    }
    for (place, count) in [(Place::Ready, ready), (Place::Scheduled, scheduled)] {
        if count > 0 {
            counters::enqueued(tx, J::KIND, place, count);
        }
    }
    if !words.is_empty() {
        tx.signal_after_commit(signal::say(words));
    }
    Ok(())
}

/// Inserts jobs by one statement. Returns each flow with its lowest number, whether it is ready, and
/// how many jobs it has.
async fn insert_batch<J: Job>(
    conn: &mut PgConnection,
    batch: &[J],
) -> Result<Vec<(i64, i64, bool, i64)>> {
    let mut payloads = Vec::with_capacity(batch.len());
    let mut tenants = Vec::with_capacity(batch.len());
    let mut priorities = Vec::with_capacity(batch.len());
    let mut delays = Vec::with_capacity(batch.len());
    let mut limits_1 = Vec::with_capacity(batch.len());
    let mut limits_2 = Vec::with_capacity(batch.len());
    for job in batch {
        let options = job.options();
        debug_assert!(options.ordering_key.is_none() && options.unique.is_none());
        payloads.push(encode(job)?);
        tenants.push(options.tenant.map(domain::TenantId::as_uuid));
        priorities.push(options.priority);
        delays.push(options.delay.as_secs_f64());
        let [first, second] = options.limit_keys;
        limits_1.push(first);
        limits_2.push(second);
    }
    Ok(sqlx::query_as(
        "WITH inserted AS (
             INSERT INTO jobs (kind, lane, state, max_attempts, tenant_id, payload, priority,
                               limit_key_1, limit_key_2, run_at, deadline_at, traceparent,
                               flow)
             SELECT $1, $2, CASE WHEN delay > 0 THEN 1 ELSE 0 END, $3, tenant_id, payload::jsonb,
                    priority, limit_key_1, limit_key_2, now() + make_interval(secs => delay),
                    now() + make_interval(secs => delay + $10), $11,
                    job_flow($1, $2, priority, tenant_id, limit_key_1, limit_key_2)
             FROM unnest($4::uuid[], $5::text[], $6::int2[], $7::text[], $8::text[], $9::float8[])
                  AS j(tenant_id, payload, priority, limit_key_1, limit_key_2, delay)
             RETURNING flow, id, state = 0 AS is_ready
         )
         SELECT flow, min(id), is_ready, count(*) FROM inserted GROUP BY flow, is_ready",
    )
    .bind(J::KIND)
    .bind(J::LANE.number())
    .bind(J::POLICY.max_attempts)
    .bind(tenants)
    .bind(payloads)
    .bind(priorities)
    .bind(limits_1)
    .bind(limits_2)
    .bind(delays)
    .bind(J::DEADLINE.map(|deadline| deadline.as_secs_f64()))
    .bind(traceparent())
    .fetch_all(conn)
    .await?)
}

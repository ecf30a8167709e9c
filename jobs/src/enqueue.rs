use db::{Result, Signal, Topic, Tx};
use sqlx::PgConnection;

use crate::{Job, OnDuplicate, Options, Until};

/// What became of a job that was to be enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The job: the new one, or the one that was there with the same unique key.
    pub id: i64,
    /// Whether one with the same unique key was there.
    pub duplicate: bool,
}

/// Enqueues a job within the caller's transaction: it exists if, and only if, that commits.
///
/// Call it after the caller's own row locks are taken: it locks the ordering key until commit.
///
/// # Errors
/// Those of the database.
pub async fn enqueue<J: Job>(tx: &mut impl Tx, job: &J) -> Result<Enqueued> {
    let options = job.options();
    let row = Row::new(job, &options)?;
    let enqueued = match &options.ordering_key {
        None => insert(tx.conn(), &row, None).await?,
        Some(key) => insert_keyed(tx.conn(), &row, key).await?,
    };
    tx.signal_after_commit(Signal {
        topic: Topic::Jobs,
        payload: String::new(),
    });
    Ok(enqueued)
}

/// Enqueues many jobs without ordering or unique keys in one statement; for bulk work.
///
/// # Errors
/// Those of the database.
pub async fn enqueue_many<J: Job>(tx: &mut impl Tx, jobs: &[J]) -> Result<()> {
    for batch in jobs.chunks(1000) {
        let mut payloads = Vec::with_capacity(batch.len());
        let mut tenants = Vec::with_capacity(batch.len());
        let mut priorities = Vec::with_capacity(batch.len());
        let mut limits_1 = Vec::with_capacity(batch.len());
        let mut limits_2 = Vec::with_capacity(batch.len());
        for job in batch {
            let options = job.options();
            debug_assert!(options.ordering_key.is_none() && options.unique.is_none());
            payloads.push(encode(job)?);
            tenants.push(options.tenant.map(domain::TenantId::as_uuid));
            priorities.push(options.priority);
            let [first, second] = options.limit_keys;
            limits_1.push(first);
            limits_2.push(second);
        }
        sqlx::query(
            "INSERT INTO jobs (kind, lane, state, max_attempts, tenant_id, payload, priority,
                               limit_key_1, limit_key_2)
             SELECT $1, $2, 0, $3, tenant_id, payload::jsonb, priority, limit_key_1, limit_key_2
             FROM unnest($4::uuid[], $5::text[], $6::int2[], $7::text[], $8::text[])
                  AS j(tenant_id, payload, priority, limit_key_1, limit_key_2)",
        )
        .bind(J::KIND)
        .bind(J::LANE.number())
        .bind(J::POLICY.max_attempts)
        .bind(tenants)
        .bind(payloads)
        .bind(priorities)
        .bind(limits_1)
        .bind(limits_2)
        .execute(tx.conn())
        .await?;
    }
    tx.signal_after_commit(Signal {
        topic: Topic::Jobs,
        payload: String::new(),
    });
    Ok(())
}

/// What a row of `jobs` is made from.
struct Row<'a> {
    kind: &'static str,
    lane: i16,
    max_attempts: i16,
    payload: String,
    options: &'a Options,
    unique_key: Option<&'a str>,
    until_started: bool,
    delay_secs: f64,
    /// Zero where a duplicate is left alone.
    max_wait_secs: f64,
}

impl<'a> Row<'a> {
    fn new<J: Job>(job: &J, options: &'a Options) -> Result<Self> {
        let unique = options.unique.as_ref();
        let max_wait_secs = match unique.map(|unique| unique.on_duplicate) {
            Some(OnDuplicate::Push { max_wait }) => max_wait.as_secs_f64(),
            Some(OnDuplicate::Keep) | None => 0.0,
        };
        Ok(Self {
            kind: J::KIND,
            lane: J::LANE.number(),
            max_attempts: J::POLICY.max_attempts,
            payload: encode(job)?,
            options,
            unique_key: unique.map(|unique| unique.key.as_str()),
            until_started: unique.is_some_and(|unique| unique.until == Until::Started),
            delay_secs: options.delay.as_secs_f64(),
            max_wait_secs,
        })
    }
}

fn encode<J: Job>(job: &J) -> Result<String> {
    serde_json::to_string(job)
        .map_err(|error| db::Error::corrupt(format!("payload of a {} job: {error}", J::KIND)))
}

/// Enqueues behind an ordering key: takes its row lock, the next sequence number, and a place at the
/// head or behind it.
async fn insert_keyed(conn: &mut PgConnection, row: &Row<'_>, key: &str) -> Result<Enqueued> {
    if let Some(id) = push_duplicate(conn, row).await? {
        return Ok(Enqueued {
            id,
            duplicate: true,
        });
    }
    let (seq, depth): (i64, i64) = sqlx::query_as(
        "INSERT INTO job_keys AS k (kind, key, last_seq, depth) VALUES ($1, $2, 1, 1)
         ON CONFLICT (kind, key) DO UPDATE SET last_seq = k.last_seq + 1, depth = k.depth + 1
         RETURNING last_seq, depth",
    )
    .bind(row.kind)
    .bind(key)
    .fetch_one(&mut *conn)
    .await?;
    let enqueued = insert(conn, row, Some((key, seq, depth == 1))).await?;
    if enqueued.duplicate {
        // Somebody else was quicker: the place taken above is given back.
        sqlx::query("UPDATE job_keys SET depth = depth - 1 WHERE kind = $1 AND key = $2")
            .bind(row.kind)
            .bind(key)
            .execute(&mut *conn)
            .await?;
    }
    Ok(enqueued)
}

/// Finds the job with the same unique key, and delays it anew if that is asked for.
async fn push_duplicate(conn: &mut PgConnection, row: &Row<'_>) -> Result<Option<i64>> {
    let Some(unique_key) = row.unique_key else {
        return Ok(None);
    };
    let id = sqlx::query_scalar(
        "UPDATE jobs SET
             run_at = CASE WHEN $4 = 0 THEN run_at ELSE least(
                 created_at + make_interval(secs => $4), now() + make_interval(secs => $3)) END,
             state = CASE WHEN $4 > 0 AND state = 0 AND now() < least(
                 created_at + make_interval(secs => $4), now() + make_interval(secs => $3))
                 THEN 1 ELSE state END
         WHERE kind = $1 AND unique_key = $2
         RETURNING id",
    )
    .bind(row.kind)
    .bind(unique_key)
    .bind(row.delay_secs)
    .bind(row.max_wait_secs)
    .fetch_optional(conn)
    .await?;
    Ok(id)
}

/// Inserts the row; `place` is its ordering key, its sequence number and whether it is at the head.
async fn insert(
    conn: &mut PgConnection,
    row: &Row<'_>,
    place: Option<(&str, i64, bool)>,
) -> Result<Enqueued> {
    let state: i16 = match place {
        Some((_, _, false)) => 2,
        _ if row.delay_secs > 0.0 => 1,
        _ => 0,
    };
    let [limit_1, limit_2] = &row.options.limit_keys;
    let (id, inserted): (i64, bool) = sqlx::query_as(
        "INSERT INTO jobs AS j (kind, lane, state, priority, max_attempts, tenant_id, run_at,
                 payload, unique_key, unique_until_started, ordering_key, ordering_seq,
                 limit_key_1, limit_key_2)
         VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), $8::jsonb,
                 $9, $10, $11, $12, $13, $14)
         ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO UPDATE SET
             run_at = CASE WHEN $15 = 0 OR j.state = 3 THEN j.run_at ELSE least(
                 j.created_at + make_interval(secs => $15), excluded.run_at) END
         RETURNING id, xmax = 0",
    )
    .bind(row.kind)
    .bind(row.lane)
    .bind(state)
    .bind(row.options.priority)
    .bind(row.max_attempts)
    .bind(row.options.tenant.map(domain::TenantId::as_uuid))
    .bind(row.delay_secs)
    .bind(&row.payload)
    .bind(row.unique_key)
    .bind(row.until_started)
    .bind(place.map(|(key, _, _)| key))
    .bind(place.map(|(_, seq, _)| seq))
    .bind(limit_1)
    .bind(limit_2)
    .bind(row.max_wait_secs)
    .fetch_one(conn)
    .await?;
    Ok(Enqueued {
        id,
        duplicate: !inserted,
    })
}

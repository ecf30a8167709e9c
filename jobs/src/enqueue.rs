use chrono::{DateTime, Utc};
use db::{Result, Tx};
use sqlx::PgConnection;

use crate::counters::{self, Place};
use crate::engine::{Seat, Started, reserve};
use crate::signal::{self, Word};
use crate::{Job, OnDuplicate, Options, Until, keys};

/// The numbers of states.
const READY: i16 = 0;
const SCHEDULED: i16 = 1;
const HELD: i16 = 2;
const RUNNING: i16 = 3;

/// What became of a job that was to be enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The job: the new one, or the one that was there with the same unique key.
    pub id: i64,
    /// Whether one with the same unique key was there.
    pub duplicate: bool,
}

/// Enqueues a job within the caller's transaction: it exists if, and only if, that commits. In a
/// process that runs jobs it may begin as soon as that is done, before the caller goes on.
///
/// Call it after the caller's own row locks are taken: it locks the ordering key until commit.
///
/// # Errors
/// Those of the database.
pub async fn enqueue<J: Job>(tx: &mut impl Tx, job: &J) -> Result<Enqueued> {
    let options = job.options();
    let seat = reserve::<J>(tx, &options);
    let row = Row::new(job, &options, seat.as_ref())?;
    let mut inserted = match &options.ordering_key {
        None => insert_free(tx.conn(), &row).await?,
        Some(key) => insert_keyed(tx.conn(), &row, key).await?,
    };
    let mut seat = seat.filter(|_| inserted.begins());
    if let Some(kept) = &seat
        && !kept.pay(tx.conn(), inserted.id).await?
    {
        inserted.state = READY;
        seat = None;
    }
    if let Some(word) = inserted.word() {
        tx.signal_after_commit(signal::say([word]));
    }
    if !inserted.duplicate {
        counters::enqueued(tx, J::KIND, Place::of_state(inserted.state), 1);
    } else if inserted.is_put_off {
        counters::put_off(tx, J::KIND);
    }
    let enqueued = Enqueued {
        id: inserted.id,
        duplicate: inserted.duplicate,
    };
    if let Some(seat) = seat {
        seat.take(tx, row.started(&inserted));
    }
    Ok(enqueued)
}

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
    /// After it was due.
    deadline_secs: Option<f64>,
    /// Zero where a duplicate is left alone.
    max_wait_secs: f64,
    traceparent: Option<String>,
    /// Who runs the job at once, if nothing stands in its way, and for how long that holds at first.
    session: Option<i64>,
    lease_secs: Option<f64>,
}

impl<'a> Row<'a> {
    fn new<J: Job>(job: &J, options: &'a Options, seat: Option<&Seat>) -> Result<Self> {
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
            deadline_secs: J::DEADLINE.map(|deadline| deadline.as_secs_f64()),
            max_wait_secs,
            traceparent: traceparent(),
            session: seat.map(Seat::session),
            lease_secs: seat.map(|seat| seat.lease().as_secs_f64()),
        })
    }

    /// Whether the unique key keeps nobody out once the job runs, which it may do at once.
    const fn may_drop_unique_key(&self) -> bool {
        self.until_started && self.session.is_some()
    }

    /// What runs the inserted job has to know.
    fn started(self, inserted: &Inserted) -> Started {
        Started {
            id: inserted.id,
            flow: inserted.flow,
            max_attempts: self.max_attempts,
            ordering_key: self.options.ordering_key.clone(),
            payload: self.payload,
            created_at: inserted.created_at,
            deadline_in: inserted.deadline_in,
            traceparent: self.traceparent,
        }
    }
}

/// The trace of whatever enqueues: its jobs go on with it.
fn traceparent() -> Option<String> {
    telemetry::trace::current().map(|context| context.to_string())
}

pub(crate) fn encode<J: Job>(job: &J) -> Result<String> {
    serde_json::to_string(job)
        .map_err(|error| db::Error::corrupt(format!("payload of a {} job: {error}", J::KIND)))
}

/// What an insert came to.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Inserted {
    id: i64,
    flow: i64,
    state: i16,
    duplicate: bool,
    /// It was ready, and waits for its time.
    is_put_off: bool,
    created_at: DateTime<Utc>,
    deadline_in: Option<f64>,
}

impl Inserted {
    /// What workers have to know once it is committed.
    fn word(self) -> Option<Word> {
        match self.state {
            READY => Some(Word::Flow {
                flow: self.flow,
                id: self.id,
            }),
            SCHEDULED => Some(Word::Due),
            _ => None,
        }
    }

    /// It is new, and this process runs it.
    const fn begins(self) -> bool {
        !self.duplicate && self.state == RUNNING
    }
}

/// Enqueues without an ordering key.
async fn insert_free(conn: &mut PgConnection, row: &Row<'_>) -> Result<Inserted> {
    // One that is left alone where it is there already needs no look beforehand, unless the insert
    // itself looks for none.
    if (row.max_wait_secs > 0.0 || row.may_drop_unique_key())
        && let Some(duplicate) = push_duplicate(conn, row).await?
    {
        return Ok(duplicate);
    }
    insert(conn, row, None).await
}

/// Enqueues behind an ordering key: takes its row lock, the next sequence number, and a place at the
/// head or behind it.
async fn insert_keyed(conn: &mut PgConnection, row: &Row<'_>, key: &str) -> Result<Inserted> {
    if row.unique_key.is_none() {
        return insert_behind(conn, row, key).await;
    }
    if let Some(duplicate) = push_duplicate(conn, row).await? {
        return Ok(duplicate);
    }
    let place = keys::join(conn, row.kind, key).await?;
    let inserted = insert(conn, row, Some((key, place))).await?;
    if inserted.duplicate {
        // Somebody else was quicker: the place taken above is given back.
        keys::unjoin(conn, row.kind, key, place).await?;
    }
    Ok(inserted)
}

/// Joins the key and inserts the row by one statement: what nothing can refuse needs no giving back.
async fn insert_behind(conn: &mut PgConnection, row: &Row<'_>, key: &str) -> Result<Inserted> {
    let [limit_1, limit_2] = &row.options.limit_keys;
    Ok(sqlx::query_as(
        "WITH place AS (
             INSERT INTO job_keys AS k (kind, key, last_seq) VALUES ($1, $2, 1)
             ON CONFLICT (kind, key) DO UPDATE SET last_seq = k.last_seq + 1
             RETURNING last_seq
         )
         INSERT INTO jobs (kind, lane, state, priority, max_attempts, tenant_id, run_at, deadline_at,
                           payload, ordering_key, ordering_seq, limit_key_1, limit_key_2,
                           traceparent, flow, attempt, claims, session_id, lease_until, claimed_at)
         SELECT $1, $3,
                CASE WHEN place.last_seq > 1 THEN 2 WHEN $7 > 0 THEN 1
                     WHEN runs.session_id IS NOT NULL THEN 3 ELSE 0 END,
                $4, $5, $6,
                now() + make_interval(secs => $7), now() + make_interval(secs => $7 + $8),
                $9::jsonb, $2, place.last_seq, $10, $11, $12,
                job_flow($1, $3, $4, $6, $10, $11),
                (runs.session_id IS NOT NULL)::integer, (runs.session_id IS NOT NULL)::integer,
                runs.session_id, clock_timestamp() + make_interval(secs => runs.lease),
                CASE WHEN runs.session_id IS NOT NULL THEN now() END
         FROM place CROSS JOIN LATERAL (
             SELECT CASE WHEN place.last_seq = 1 THEN $13::bigint END AS session_id,
                    CASE WHEN place.last_seq = 1 THEN $14::float8 END AS lease
         ) AS runs
         RETURNING id, flow, state, false AS duplicate, false AS is_put_off, created_at,
                   extract(epoch FROM deadline_at - clock_timestamp())::float8 AS deadline_in",
    )
    .bind(row.kind)
    .bind(key)
    .bind(row.lane)
    .bind(row.options.priority)
    .bind(row.max_attempts)
    .bind(row.options.tenant.map(domain::TenantId::as_uuid))
    .bind(row.delay_secs)
    .bind(row.deadline_secs)
    .bind(&row.payload)
    .bind(limit_1)
    .bind(limit_2)
    .bind(&row.traceparent)
    .bind(row.session)
    .bind(row.lease_secs)
    .fetch_one(conn)
    .await?)
}

/// Finds the job with the same unique key, and delays it anew if that is asked for.
async fn push_duplicate(conn: &mut PgConnection, row: &Row<'_>) -> Result<Option<Inserted>> {
    let Some(unique_key) = row.unique_key else {
        return Ok(None);
    };
    Ok(sqlx::query_as(
        "WITH first AS MATERIALIZED (
             SELECT id, state, least(created_at + make_interval(secs => $4),
                                     now() + make_interval(secs => $3)) AS pushed_to
             FROM jobs WHERE kind = $1 AND unique_key = $2 FOR UPDATE
         )
         UPDATE jobs AS j SET
             run_at = CASE WHEN $4 = 0 OR f.state = 3 THEN j.run_at ELSE f.pushed_to END,
             state = CASE WHEN $4 > 0 AND f.state = 0 AND now() < f.pushed_to THEN 1
                          ELSE f.state END
         FROM first AS f WHERE j.id = f.id
         RETURNING j.id, j.flow, j.state, true AS duplicate,
                   f.state = 0 AND j.state = 1 AS is_put_off, j.created_at,
                   NULL::float8 AS deadline_in",
    )
    .bind(row.kind)
    .bind(unique_key)
    .bind(row.delay_secs)
    .bind(row.max_wait_secs)
    .fetch_optional(conn)
    .await?)
}

macro_rules! insert_sql {
    ($on_conflict:literal, $duplicate:literal) => {
        concat!(
            "INSERT INTO jobs AS j (kind, lane, state, priority, max_attempts, tenant_id, run_at,
                 deadline_at, payload, unique_key, unique_until_started, ordering_key, ordering_seq,
                 limit_key_1, limit_key_2, traceparent, flow, attempt, claims, session_id,
                 lease_until, claimed_at)
             VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7),
                 now() + make_interval(secs => $7 + $15), $8::jsonb,
                 $9, $10, $11, $12, $13, $14, $16, job_flow($1, $2, $4, $6, $13, $14),
                 ($17::bigint IS NOT NULL)::integer, ($17 IS NOT NULL)::integer, $17,
                 clock_timestamp() + make_interval(secs => $18),
                 CASE WHEN $17 IS NOT NULL THEN now() END)",
            $on_conflict,
            " RETURNING id, flow, state, ",
            $duplicate,
            " AS duplicate, false AS is_put_off, created_at,
                 extract(epoch FROM deadline_at - clock_timestamp())::float8 AS deadline_in"
        )
    };
}

const INSERT: &str = insert_sql!("", "false");
/// A conflict that a push meets here came up just now: the next count sets its counters right.
const INSERT_UNIQUE: &str = insert_sql!(
    "ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO UPDATE SET
         run_at = CASE WHEN $19 = 0 OR j.state = 3 THEN j.run_at ELSE least(
             j.created_at + make_interval(secs => $19), excluded.run_at) END,
         state = CASE WHEN $19 > 0 AND j.state = 0 AND now() < least(
             j.created_at + make_interval(secs => $19), excluded.run_at)
             THEN 1 ELSE j.state END",
    "xmax <> 0"
);

/// Inserts the row; `place` is its ordering key and its place in it.
async fn insert(
    conn: &mut PgConnection,
    row: &Row<'_>,
    place: Option<(&str, keys::Place)>,
) -> Result<Inserted> {
    let state = match place {
        Some((_, place)) if !place.is_head => HELD,
        _ if row.delay_secs > 0.0 => SCHEDULED,
        _ if row.session.is_some() => RUNNING,
        _ => READY,
    };
    let begins = state == RUNNING;
    let unique_key = row
        .unique_key
        .filter(|_| !(begins && row.may_drop_unique_key()));
    let [limit_1, limit_2] = &row.options.limit_keys;
    // Without a unique key there is no conflict to look for.
    let sql = match unique_key {
        Some(_) => INSERT_UNIQUE,
        None => INSERT,
    };
    let insert = sqlx::query_as(sql)
        .bind(row.kind)
        .bind(row.lane)
        .bind(state)
        .bind(row.options.priority)
        .bind(row.max_attempts)
        .bind(row.options.tenant.map(domain::TenantId::as_uuid))
        .bind(row.delay_secs)
        .bind(&row.payload)
        .bind(unique_key)
        .bind(row.until_started)
        .bind(place.map(|(key, _)| key))
        .bind(place.map(|(_, place)| place.seq))
        .bind(limit_1)
        .bind(limit_2)
        .bind(row.deadline_secs)
        .bind(&row.traceparent)
        .bind(row.session.filter(|_| begins))
        .bind(row.lease_secs.filter(|_| begins));
    let insert = match unique_key {
        Some(_) => insert.bind(row.max_wait_secs),
        None => insert,
    };
    Ok(insert.fetch_one(conn).await?)
}

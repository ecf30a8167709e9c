//! Enqueueing, by one statement, what several callers want at the same moment.

use std::collections::BTreeMap;

use db::{Result, Tx};
use sqlx::PgConnection;
use telemetry::trace::TraceContext;
use uuid::Uuid;

use super::encode;
use crate::counters::{self, Place};
use crate::signal::{self, Word};
use crate::{Job, Options};

/// A job that is enqueued beside those of other callers.
#[derive(Clone, Copy, Debug)]
pub struct Gathered<'a, J> {
    /// The job, without a unique key.
    pub job: &'a J,
    /// The trace of its own caller, which it goes on with.
    pub trace: Option<TraceContext>,
}

/// Enqueues jobs of one kind by one statement, as if [`enqueue`](crate::enqueue) was called for one
/// after the other in the order given: jobs of one ordering key run in that order, behind those that
/// are there. For some dozens.
///
/// Call it after the caller's own row locks are taken: it locks the ordering keys until commit, in the
/// order of their bytes, so that two who enqueue for several keys cannot lock each other out.
///
/// # Errors
/// Those of the database; then none is enqueued.
pub async fn enqueue_gathered<J: Job>(tx: &mut impl Tx, jobs: &[Gathered<'_, J>]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut words = Vec::new();
    for (flow, state, id, count) in insert(tx.conn(), jobs).await? {
        match Place::of_state(state) {
            Place::Ready => words.push(Word::Flow { flow, id }),
            Place::Scheduled => words.push(Word::Due),
            _ => {}
        }
        counters::enqueued(tx, J::KIND, Place::of_state(state), count);
    }
    if !words.is_empty() {
        tx.signal_after_commit(signal::say(words));
    }
    Ok(())
}

/// The columns of `jobs` that are particular to each.
#[derive(Default)]
struct Columns {
    payloads: Vec<String>,
    traceparents: Vec<Option<String>>,
    tenants: Vec<Option<Uuid>>,
    priorities: Vec<i16>,
    delays: Vec<f64>,
    keys: Vec<Option<String>>,
    /// How many jobs of the same key come after it.
    behind: Vec<i64>,
    limits_1: Vec<Option<String>>,
    limits_2: Vec<Option<String>>,
}

/// How many jobs each ordering key gets.
type Keys = BTreeMap<String, i64>;

impl Columns {
    fn of<J: Job>(jobs: &[Gathered<'_, J>]) -> Result<(Self, Keys)> {
        let mut columns = Self::default();
        let mut keys = Keys::new();
        for Gathered { job, trace } in jobs {
            columns.payloads.push(encode(*job)?);
            let traceparent = trace.map(|trace| trace.to_string());
            columns.traceparents.push(traceparent);
            columns.push(job.options(), &mut keys);
        }
        for (key, behind) in columns.keys.iter().zip(&mut columns.behind) {
            let of_key = key.as_ref().and_then(|key| keys.get(key));
            *behind = of_key.map_or(0, |of_key| of_key - *behind);
        }
        Ok((columns, keys))
    }

    /// Takes what is particular to a job; `behind` is its number within its key until all are counted.
    fn push(&mut self, options: Options, keys: &mut Keys) {
        debug_assert!(options.unique.is_none(), "unique keys are `enqueue`'s");
        self.tenants
            .push(options.tenant.map(domain::TenantId::as_uuid));
        self.priorities.push(options.priority);
        self.delays.push(options.delay.as_secs_f64());
        let number = options.ordering_key.clone().map_or(0, |key| {
            let of_key = keys.entry(key).or_default();
            *of_key += 1;
            *of_key
        });
        self.behind.push(number);
        self.keys.push(options.ordering_key);
        let [first, second] = options.limit_keys;
        self.limits_1.push(first);
        self.limits_2.push(second);
    }
}

/// Inserts the jobs. Returns, for each flow and state, its lowest number and how many there are.
async fn insert<J: Job>(
    conn: &mut PgConnection,
    jobs: &[Gathered<'_, J>],
) -> Result<Vec<(i64, i16, i64, i64)>> {
    let (columns, keys) = Columns::of(jobs)?;
    let (keys, jobs_of_keys): (Vec<String>, Vec<i64>) = keys.into_iter().unzip();
    Ok(sqlx::query_as(INSERT)
        .bind(J::KIND)
        .bind(J::LANE.number())
        .bind(J::POLICY.max_attempts)
        .bind(J::DEADLINE.map(|deadline| deadline.as_secs_f64()))
        .bind(keys)
        .bind(jobs_of_keys)
        .bind(columns.tenants)
        .bind(columns.payloads)
        .bind(columns.priorities)
        .bind(columns.delays)
        .bind(columns.keys)
        .bind(columns.behind)
        .bind(columns.limits_1)
        .bind(columns.limits_2)
        .bind(columns.traceparents)
        .fetch_all(conn)
        .await?)
}

/// Each key's places are taken at once; the job that comes last has the number given out last. Numbers
/// of rows are given out in the order given, too.
const INSERT: &str = "
    WITH place AS (
        INSERT INTO job_keys AS k (kind, key, last_seq)
        SELECT $1, key, jobs FROM unnest($5::text[], $6::bigint[]) AS f(key, jobs)
        ORDER BY key COLLATE \"C\"
        ON CONFLICT (kind, key) DO UPDATE SET last_seq = k.last_seq + excluded.last_seq
        RETURNING key, last_seq
    ), inserted AS (
        INSERT INTO jobs (kind, lane, state, priority, max_attempts, tenant_id, run_at, deadline_at,
                          payload, ordering_key, ordering_seq, limit_key_1, limit_key_2,
                          traceparent, flow)
        SELECT $1, $2,
               CASE WHEN place.last_seq - j.behind > 1 THEN 2 WHEN j.delay > 0 THEN 1 ELSE 0 END,
               j.priority, $3, j.tenant_id, now() + make_interval(secs => j.delay),
               now() + make_interval(secs => j.delay + $4), j.payload::jsonb, j.key,
               place.last_seq - j.behind, j.limit_key_1, j.limit_key_2, j.traceparent,
               job_flow($1, $2, j.priority, j.tenant_id, j.limit_key_1, j.limit_key_2)
        FROM unnest($7::uuid[], $8::text[], $9::int2[], $10::float8[], $11::text[], $12::bigint[],
                    $13::text[], $14::text[], $15::text[])
             WITH ORDINALITY AS j(tenant_id, payload, priority, delay, key, behind, limit_key_1,
                                  limit_key_2, traceparent, nth)
             LEFT JOIN place ON place.key = j.key
        ORDER BY j.nth
        RETURNING flow, state, id
    )
    SELECT flow, state, min(id), count(*) FROM inserted GROUP BY flow, state";

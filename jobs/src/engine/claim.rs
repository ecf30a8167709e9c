//! Taking ready jobs, from the flows and in the numbers that [`super::ready`] says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use db::Result;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgExecutor, Row as _};

use super::limits::Allotment;
use super::ready::{Pick, Took};
use super::{ClaimedJob, Shared, limits};

/// Takes ready jobs of each flow. The attempt is raised here, so that a crash counts. A claim that
/// took tokens says when: the moment up to which they were counted, so that the times of claims
/// never show more attempts than the rate allows.
///
/// A flow is named as a range, because a planner that is told `flow = …` may read by id instead:
/// statistics of a table with one flow say that it is all the same.
///
/// MATERIALIZED, because a planner that inlines the sub-select may run it again and take more than
/// was asked for. An array, because a planner that guesses its size would join by reading the whole
/// table.
macro_rules! claim_sql {
    ($permits:literal) => {
        concat!(
            "WITH wanted AS MATERIALIZED (
                 SELECT flow, from_id, want, permits::bigint[] AS permits
                 FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $6::text[])
                     AS w(flow, from_id, want, permits)
             ), picked AS MATERIALIZED (
                 SELECT j.id FROM wanted AS w CROSS JOIN LATERAL (
                     SELECT id FROM jobs
                     WHERE state = 0 AND (flow, id) >= (w.flow, w.from_id) AND flow <= w.flow
                     ORDER BY flow, id LIMIT w.want FOR UPDATE SKIP LOCKED
                 ) AS j
             )
             UPDATE jobs AS j SET
                 state = 3,
                 attempt = j.attempt + 1,
                 claims = j.claims + 1,
                 session_id = $4,
                 claimed_at = coalesce($7, now()),
                 lease_until = now() + make_interval(secs => $5),
                 unique_key = CASE WHEN j.unique_until_started THEN NULL ELSE j.unique_key END,
                 permits = ",
            $permits,
            "
             WHERE j.id = ANY(ARRAY(SELECT id FROM picked))
             RETURNING j.id, j.flow, j.claims, j.attempt, j.max_attempts, j.ordering_key,
                       j.payload::text AS payload, j.created_at, j.run_at, j.claimed_at,
                       extract(epoch FROM j.deadline_at - now())::float8 AS deadline_in,
                       j.cancel_requested_at IS NOT NULL AS is_cancelled, j.traceparent"
        )
    };
}

pub(super) const CLAIM: &str = claim_sql!("NULL");
pub(super) const CLAIM_LIMITED: &str =
    claim_sql!("(SELECT w.permits FROM wanted AS w WHERE w.flow = j.flow LIMIT 1)");

/// A claimed job, in the order of what the claim returns.
struct Row {
    id: i64,
    flow: i64,
    claims: i32,
    attempt: i16,
    max_attempts: i16,
    ordering_key: Option<String>,
    payload: String,
    created_at: DateTime<Utc>,
    run_at: DateTime<Utc>,
    claimed_at: DateTime<Utc>,
    deadline_in: Option<f64>,
    is_cancelled: bool,
    traceparent: Option<String>,
}

/// By place, and of the types that the statement says: looking up a dozen names and types for each job
/// is a good part of what reading it costs.
impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get_unchecked(0)?,
            flow: row.try_get_unchecked(1)?,
            claims: row.try_get_unchecked(2)?,
            attempt: row.try_get_unchecked(3)?,
            max_attempts: row.try_get_unchecked(4)?,
            ordering_key: row.try_get_unchecked(5)?,
            payload: row.try_get_unchecked(6)?,
            created_at: row.try_get_unchecked(7)?,
            run_at: row.try_get_unchecked(8)?,
            claimed_at: row.try_get_unchecked(9)?,
            deadline_in: row.try_get_unchecked(10)?,
            is_cancelled: row.try_get_unchecked(11)?,
            traceparent: row.try_get_unchecked(12)?,
        })
    }
}

impl Row {
    fn into_job(self, pick: &Pick, permits: &[i64]) -> ClaimedJob {
        ClaimedJob {
            id: self.id,
            kind: pick.flow.kind.name,
            flow: Arc::clone(&pick.flow),
            claim: self.claims,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            tenant: pick.flow.tenant,
            ordering_key: self.ordering_key,
            payload: self.payload,
            created_at: self.created_at,
            run_at: self.run_at,
            claimed_at: self.claimed_at,
            permits: permits.to_vec(),
            deadline_in: self.deadline_in,
            is_cancelled: self.is_cancelled,
            traceparent: self.traceparent,
        }
    }
}

/// What a claim took of one flow.
pub(super) struct Claimed {
    pub(super) pick: Pick,
    pub(super) took: Took,
    pub(super) jobs: Vec<ClaimedJob>,
    /// A limit has no room for more: not a pause, nor a row that somebody else has locked.
    pub(super) is_spent: bool,
}

/// Claims, and says until when the claims surely hold by the steady clock.
pub(super) async fn claim(shared: &Shared, picks: Vec<Pick>) -> Result<(Vec<Claimed>, Instant)> {
    if shared.limits.is_in_doubt(Instant::now()) {
        shared.limits.load(shared).await?;
    }
    let now = Instant::now();
    // The lease counts from when the server ran the statement: not before it was sent.
    let until = now + shared.options.lease;
    let mut asked = Vec::with_capacity(picks.len());
    let mut refused = Vec::new();
    for pick in picks {
        let holding = shared.limits.holding(&pick.flow.limit_keys, now);
        match holding.paused {
            None => asked.push((pick, holding.limits)),
            Some((limit, until)) => refused.push(Claimed {
                pick,
                took: Took::Limited { limit, until },
                jobs: Vec::new(),
                is_spent: false,
            }),
        }
    }
    let mut claimed = if asked.iter().all(|(_, limits)| limits.is_empty()) {
        claim_free(shared, asked).await?
    } else {
        claim_limited(shared, asked).await?
    };
    claimed.append(&mut refused);
    Ok((claimed, until))
}

type Asked = Vec<(Pick, Vec<i64>)>;

/// What each pick may take.
struct Share {
    wants: Vec<usize>,
    /// The limits that count its runs.
    permits: Vec<Vec<i64>>,
    /// The moment up to which tokens were counted.
    at: Option<DateTime<Utc>>,
}

/// No limit holds for any of them: one statement.
async fn claim_free(shared: &Shared, asked: Asked) -> Result<Vec<Claimed>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let wants: Vec<usize> = asked.iter().map(|(pick, _)| pick.want).collect();
    let share = Share {
        wants,
        permits: vec![Vec::new(); asked.len()],
        at: None,
    };
    let rows = run(shared, shared.db.fixed(), CLAIM, &asked, &share).await?;
    Ok(settle_all(&asked, &share, group(rows)))
}

/// Some are limited: those that seem to have plenty of room are asked last, the others first.
async fn claim_limited(shared: &Shared, asked: Asked) -> Result<Vec<Claimed>> {
    let mut ids: Vec<i64> = asked
        .iter()
        .flat_map(|(_, limits)| limits.clone())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let jobs = asked.iter().map(|(pick, _)| pick.want).sum();
    let seen = shared.limits_seen.plenty(&ids, jobs, Instant::now());
    if let Some(seen) = seen {
        if let Some(claimed) = claim_before_asking(shared, &asked, &ids, &seen).await? {
            return Ok(claimed);
        }
        shared.limits_seen.forget(&ids);
    }
    claim_granted(shared, asked, &ids).await
}

/// Claims, and then locks the limits for no longer than it takes to count the runs; all or nothing.
/// `None`: there was no room, and nothing is claimed.
async fn claim_before_asking(
    shared: &Shared,
    asked: &Asked,
    ids: &[i64],
    seen: &HashMap<i64, Allotment>,
) -> Result<Option<Vec<Claimed>>> {
    let now = Instant::now();
    let mut tx = shared.db.begin_fixed().await?;
    let share = Share {
        wants: asked.iter().map(|(pick, _)| pick.want).collect(),
        permits: permits(asked, seen),
        at: None,
    };
    let by_flow = group(run(shared, &mut *tx, CLAIM_LIMITED, asked, &share).await?);
    let _gate = shared.limits_gate.lock().await;
    let mut locked = limits::lock_rows(&mut tx, ids, limits::Busy::Wait).await?;
    let has_room = permits(asked, &locked.rows) == share.permits
        && asked.iter().all(|(pick, limits)| {
            let jobs = by_flow.get(&pick.flow.id).map_or(0, Vec::len);
            locked.take_since_begin(limits, jobs)
        });
    if !has_room {
        // At once: the next statement must find the rows unlocked.
        tx.rollback().await?;
        return Ok(None);
    }
    if let Some(at) = locked.at {
        limits::take(&mut tx, &locked.rows, at).await?;
    }
    tx.commit().await?;
    shared.limits_seen.note(&locked.rows, now);
    Ok(Some(settle_all(asked, &share, by_flow)))
}

/// The limits that count the runs of each pick.
fn permits(asked: &Asked, rows: &HashMap<i64, Allotment>) -> Vec<Vec<i64>> {
    let counts = |id: &&i64| rows.get(id).is_some_and(|row| row.concurrency.is_some());
    asked
        .iter()
        .map(|(_, limits)| limits.iter().filter(counts).copied().collect())
        .collect()
}

/// Locks the limits that hold, shares out what they have, claims that much, and writes down what
/// was really there to be claimed; all or nothing.
async fn claim_granted(shared: &Shared, asked: Asked, ids: &[i64]) -> Result<Vec<Claimed>> {
    let now = Instant::now();
    // Finishing counts runs off the same rows: this process does not stand in its own way.
    let _gate = shared.limits_gate.lock().await;
    let mut tx = shared.db.begin_fixed().await?;
    let mut locked = limits::lock_rows(&mut tx, ids, limits::Busy::Skip).await?;
    shared.limits.forget_gone(&mut tx, ids, &locked).await?;
    let rows = &mut locked.rows;
    let wishes: Vec<_> = asked
        .iter()
        .map(|(pick, limits)| (pick.want, limits.clone()))
        .collect();
    let grants = limits::allot(rows, &wishes, now);
    let share = Share {
        wants: grants.iter().map(|grant| grant.want).collect(),
        permits: permits(&asked, rows),
        at: locked.at,
    };
    let taken = run(shared, &mut *tx, CLAIM_LIMITED, &asked, &share).await?;
    let mut by_flow = group(taken);
    let mut claimed = Vec::with_capacity(asked.len());
    for (((pick, limits), grant), permits) in asked.into_iter().zip(grants).zip(&share.permits) {
        let jobs = by_flow.remove(&pick.flow.id).unwrap_or_default();
        limits::put_back(rows, &limits, grant.want - jobs.len().min(grant.want));
        let took = match grant.limited {
            Some((limit, until)) if jobs.len() >= grant.want => Took::Limited { limit, until },
            _ => took(grant.want, &jobs),
        };
        let is_spent = match took {
            Took::Limited { limit, .. } => rows.get(&limit).is_some_and(|row| !row.is_paused()),
            _ => false,
        };
        claimed.push(Claimed {
            is_spent,
            ..settle(pick, took, jobs, permits)
        });
    }
    if let Some(at) = locked.at {
        limits::take(&mut tx, rows, at).await?;
    }
    tx.commit().await?;
    shared.limits_seen.note(rows, now);
    Ok(claimed)
}

async fn run<'e>(
    shared: &Shared,
    executor: impl PgExecutor<'e>,
    sql: &'static str,
    asked: &Asked,
    share: &Share,
) -> Result<Vec<Row>> {
    let mut flows = Vec::with_capacity(asked.len());
    let mut from = Vec::with_capacity(asked.len());
    for (pick, _) in asked {
        flows.push(pick.flow.id);
        from.push(pick.from_id);
    }
    let wants: Vec<i32> = share
        .wants
        .iter()
        .map(|want| i32::try_from(*want).unwrap_or(i32::MAX))
        .collect();
    let permits = share.permits.iter().map(|ids| array_literal(ids));
    let permits: Vec<Option<String>> = permits.collect();
    Ok(sqlx::query_as(sql)
        .bind(flows)
        .bind(from)
        .bind(wants)
        .bind(shared.session.id)
        .bind(shared.options.lease.as_secs_f64())
        .bind(permits)
        .bind(share.at)
        .fetch_all(executor)
        .await?)
}

/// Arrays of arrays are matrices to Postgres: an array of texts holds lists of any length.
fn array_literal(ids: &[i64]) -> Option<String> {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    (!ids.is_empty()).then(|| format!("{{{}}}", ids.join(",")))
}

/// Rows by flow, in the order in which they were enqueued: an UPDATE returns them in none.
fn group(mut rows: Vec<Row>) -> HashMap<i64, Vec<Row>> {
    rows.sort_unstable_by_key(|row| row.id);
    let mut by_flow: HashMap<i64, Vec<Row>> = HashMap::new();
    for row in rows {
        by_flow.entry(row.flow).or_default().push(row);
    }
    by_flow
}

fn took(wanted: usize, rows: &[Row]) -> Took {
    match rows.last() {
        Some(last) if rows.len() >= wanted => Took::All { last: last.id },
        _ => Took::Drained,
    }
}

/// What came of picks that could have had all they asked for.
fn settle_all(asked: &Asked, share: &Share, mut by_flow: HashMap<i64, Vec<Row>>) -> Vec<Claimed> {
    let picks = asked.iter().zip(&share.permits);
    picks
        .map(|((pick, _), permits)| {
            let rows = by_flow.remove(&pick.flow.id).unwrap_or_default();
            settle(pick.clone(), took(pick.want, &rows), rows, permits)
        })
        .collect()
}

fn settle(pick: Pick, took: Took, rows: Vec<Row>, permits: &[i64]) -> Claimed {
    let jobs = rows
        .into_iter()
        .map(|row| row.into_job(&pick, permits))
        .collect();
    Claimed {
        pick,
        took,
        jobs,
        is_spent: false,
    }
}

use std::collections::HashMap;

use sqlx::{PgPool, Row as _};

use super::{
    Cancel, Claim, Closing, Effect, End, Enqueued, History, KeyRow, Limit, Pause, Place, Poison,
    Run, Tick, Time,
};
use crate::kinds::{Kind, Work};

/// Reads what was recorded, and what the engine's tables say.
///
/// # Errors
/// Those of the database.
pub(crate) async fn collect(pool: &PgPool) -> anyhow::Result<History> {
    Ok(History {
        enqueued: enqueued(pool).await?,
        poison: sqlx::query_as("SELECT job_id, is_known_kind FROM chaos_poison")
            .fetch_all(pool)
            .await?
            .into_iter()
            .map(|(job, is_known_kind)| Poison { job, is_known_kind })
            .collect(),
        runs: runs(pool).await?,
        effects: effects(pool).await?,
        closings: closings(pool).await?,
        ends: ends(pool).await?,
        cancels: sqlx::query_as("SELECT job_id, state, committed_at FROM chaos_cancels")
            .fetch_all(pool)
            .await?
            .into_iter()
            .map(|(job, state, committed_at)| Cancel {
                job,
                state,
                committed_at,
            })
            .collect(),
        limits: limits(pool).await?,
        ticks: sqlx::query_as("SELECT schedule, period_ms, due_at FROM chaos_ticks")
            .fetch_all(pool)
            .await?
            .into_iter()
            .map(|(schedule, period_ms, due_at)| Tick {
                schedule,
                period_ms,
                due_at,
            })
            .collect(),
        schedule_ends: sqlx::query_as("SELECT schedule, at FROM chaos_schedule_ends")
            .fetch_all(pool)
            .await?,
        pauses: sqlx::query_as("SELECT key, paused_at, resumed_at FROM chaos_pauses")
            .fetch_all(pool)
            .await?
            .into_iter()
            .map(|(key, paused_at, resumed_at)| Pause {
                key,
                paused_at,
                resumed_at,
            })
            .collect(),
        keys: keys(pool).await?,
        ..History::default()
    })
}

async fn enqueued(pool: &PgPool) -> anyhow::Result<Vec<Enqueued>> {
    let rows: Vec<(i64, i64, String, String, Option<Time>)> = sqlx::query_as(
        "SELECT n, job_id, kind, payload::text, deadline_at FROM chaos_enqueued ORDER BY n",
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(n, job, kind, payload, deadline_at)| {
            let work: Work = serde_json::from_str(&payload)?;
            Ok(Enqueued {
                n,
                job,
                kind,
                does: work.does,
                tenant: work.tenant,
                key: work.key,
                endpoint: work.endpoint,
                deadline_at,
            })
        })
        .collect()
}

/// Runs as they began. A batch that is run in halves begins its jobs more than once under one
/// claim: that is one run, up to the last end.
async fn runs(pool: &PgPool) -> anyhow::Result<Vec<Run>> {
    let rows = sqlx::query(
        "SELECT b.job_id, b.kind, b.attempt, b.session, b.claimed_at, b.claim, b.wall_at, b.at AS begun_at,
                e.at AS ended_at, e.outcome
         FROM chaos_events AS b
         LEFT JOIN chaos_events AS e ON e.run = b.run AND e.job_id = b.job_id AND e.what = 'end'
         WHERE b.what = 'begin' ORDER BY b.at",
    )
    .fetch_all(pool)
    .await?;
    let mut runs: Vec<Run> = Vec::with_capacity(rows.len());
    let mut grouped: HashMap<Claim, usize> = HashMap::new();
    for row in rows {
        let claim = claim(&row)?;
        let ended: Option<Time> = row.try_get("ended_at")?;
        let outcome: Option<String> = row.try_get("outcome")?;
        let ended = ended.zip(outcome);
        let kind: String = row.try_get("kind")?;
        if kind == Kind::Grouped.name() {
            if let Some(known) = grouped.get(&claim).and_then(|at| runs.get_mut(*at)) {
                known.ended = ended.or(known.ended.take());
                continue;
            }
            grouped.insert(claim, runs.len());
        }
        runs.push(Run {
            claim,
            nth: row.try_get("claim")?,
            attempt: row.try_get("attempt")?,
            begun_at: row.try_get("begun_at")?,
            ended,
            wall_at: row.try_get("wall_at")?,
        });
    }
    Ok(runs)
}

fn claim(row: &sqlx::postgres::PgRow) -> sqlx::Result<Claim> {
    Ok(Claim {
        job: row.try_get("job_id")?,
        at: row.try_get("claimed_at")?,
        session: row.try_get("session")?,
    })
}

async fn effects(pool: &PgPool) -> anyhow::Result<Vec<Effect>> {
    let rows = sqlx::query(
        "SELECT job_id, session, claimed_at, is_first, at FROM chaos_effects ORDER BY at",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Effect {
                claim: claim(row)?,
                is_first: row.try_get("is_first")?,
                at: row.try_get("at")?,
            })
        })
        .collect()
}

/// A waiting job that expired was nobody's: it closes no claim.
async fn closings(pool: &PgPool) -> anyhow::Result<Vec<Closing>> {
    let rows = sqlx::query(
        "SELECT job_id, session_id AS session, claimed_at, outcome, ended_at AS at,
                outcome <> 'snoozed' AND coalesce(error, '') NOT LIKE '%shut down before%'
                    AS burned_attempt
         FROM job_attempts WHERE session_id IS NOT NULL AND claimed_at IS NOT NULL
         UNION ALL
         SELECT id, session_id, claimed_at, outcome, finished_at, true
         FROM job_history WHERE session_id IS NOT NULL AND claimed_at IS NOT NULL",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Closing {
                claim: claim(row)?,
                outcome: row.try_get("outcome")?,
                burned_attempt: row.try_get("burned_attempt")?,
                at: row.try_get("at")?,
            })
        })
        .collect()
}

async fn ends(pool: &PgPool) -> anyhow::Result<Vec<End>> {
    let rows = sqlx::query(
        "SELECT id, kind, outcome AS place, 0::smallint AS state, finished_at AS at, attempt,
                max_attempts, reason
         FROM job_history
         UNION ALL
         SELECT id, kind, 'dead', 0::smallint, died_at, attempt, max_attempts, reason FROM dead_jobs
         UNION ALL
         SELECT id, kind, 'waiting', state, created_at, attempt, max_attempts, last_error FROM jobs",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let place: String = row.try_get("place")?;
            let place = match place.as_str() {
                "done" => Place::Done,
                "cancelled" => Place::Cancelled,
                "dead" => Place::Dead,
                _ => Place::Waiting(row.try_get("state")?),
            };
            Ok(End {
                job: row.try_get("id")?,
                kind: row.try_get("kind")?,
                place,
                at: row.try_get("at")?,
                attempt: row.try_get("attempt")?,
                max_attempts: row.try_get("max_attempts")?,
                reason: row.try_get("reason")?,
            })
        })
        .collect()
}

async fn limits(pool: &PgPool) -> anyhow::Result<Vec<Limit>> {
    type Row = (String, Option<i32>, Option<f64>, Option<i32>, i32);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT key, concurrency, rate_per_second, burst, running FROM job_limits ORDER BY key",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(key, concurrency, rate, burst, running)| Limit {
            key,
            concurrency,
            rate: rate.zip(burst),
            running,
        })
        .collect())
}

async fn keys(pool: &PgPool) -> anyhow::Result<Vec<KeyRow>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT k.kind || '/' || k.key,
                (SELECT count(*) FROM jobs AS j
                 WHERE j.kind = k.kind AND j.ordering_key = k.key AND j.state <> 2)
         FROM job_keys AS k",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(key, heads)| KeyRow { key, heads })
        .collect())
}

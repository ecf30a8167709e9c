use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::Tx;

use super::limit_view::limits_of;
use super::{ControlError, InvalidField, LimitKey, LimitScope, LimitView, Result};
use crate::engine::limits_changed;
use crate::inspect::limit_time;

/// What a limit shall be; what is `None` is not limited.
#[derive(Clone, Copy, Debug, Default)]
pub struct LimitValues {
    /// Attempts per second over time.
    pub rate_per_second: Option<f64>,
    /// The most attempts at once after a rest; `None` beside a rate: what a second gives, at least 1.
    pub burst: Option<i32>,
    /// Attempts that may run at a time.
    pub concurrency: Option<i32>,
    /// The share of a tenant while there is a backlog.
    pub weight: Option<f32>,
}

impl LimitValues {
    /// Checks the values for a key and fills in the burst.
    fn checked(mut self, key: &LimitKey) -> Result<Self> {
        let mut wrong = Vec::new();
        let mut require = |holds: bool, field, detail: &str| {
            if !holds {
                wrong.push(InvalidField::new(field, detail));
            }
        };
        let within = |n: Option<i32>| n.is_none_or(|n| (1..=MOST).contains(&n));
        let rate_fits = |rate: f64| (0.0001..=100_000.0).contains(&rate);
        require(
            self.rate_per_second.is_none_or(rate_fits),
            "rate_per_second",
            "must be from 0.0001 to 100000",
        );
        require(within(self.burst), "burst", "must be from 1 to 1000000");
        require(
            self.burst.is_none() || self.rate_per_second.is_some(),
            "burst",
            "needs rate_per_second",
        );
        require(
            within(self.concurrency),
            "concurrency",
            "must be from 1 to 1000000",
        );
        require(
            self.weight
                .is_none_or(|weight| (0.001..=1000.0).contains(&weight)),
            "weight",
            "must be from 0.001 to 1000",
        );
        require(
            self.weight.is_none() || matches!(key.scope(), LimitScope::Tenant(_)),
            "weight",
            "is for tenants alone: tenant:<id>",
        );
        require(
            self.rate_per_second.is_some() || self.concurrency.is_some() || self.weight.is_some(),
            "rate_per_second",
            "or concurrency or weight is required",
        );
        if !wrong.is_empty() {
            return Err(ControlError::Invalid(wrong));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let second = self.rate_per_second.map(|rate| rate.ceil().max(1.0) as i32);
        self.burst = self.burst.or(second);
        Ok(self)
    }
}

/// The most that a burst or a concurrency can be.
const MOST: i32 = 1_000_000;

/// Sets a limit to these values, and leaves its pause as it is. Runs that have begun go on.
///
/// # Errors
/// `Invalid` for values out of bounds.
pub async fn set_limit(tx: &mut impl Tx, key: &LimitKey, values: LimitValues) -> Result<LimitView> {
    let values = values.checked(key)?;
    limit_time(tx).await?;
    // What the old rate gave until this moment is kept, as far as it fits into the new burst. The
    // row may have been refilled after this transaction began.
    sqlx::query(
        "INSERT INTO job_limits AS l (key, rate_per_second, burst, concurrency, weight, tokens)
         VALUES ($1, $2, $3, $4, $5, coalesce($3, 0))
         ON CONFLICT (key) DO UPDATE SET
             rate_per_second = excluded.rate_per_second,
             burst = excluded.burst,
             concurrency = excluded.concurrency,
             weight = excluded.weight,
             tokens = CASE
                 WHEN excluded.burst IS NULL THEN 0
                 WHEN l.burst IS NULL THEN excluded.burst
                 ELSE least(excluded.burst, l.burst, l.tokens + l.rate_per_second
                     * greatest(0, extract(epoch FROM now() - l.refilled_at)::float8)) END,
             refilled_at = greatest(l.refilled_at, now()),
             changed_at = now()",
    )
    .bind(key.as_str())
    .bind(values.rate_per_second)
    .bind(values.burst)
    .bind(values.concurrency)
    .bind(values.weight)
    .execute(tx.conn())
    .await?;
    changed(tx, key).await
}

/// Lifts a limit: no rate, no concurrency, weight 1. Its pause stays.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn clear_limit(tx: &mut impl Tx, key: &LimitKey) -> Result<()> {
    limit_time(tx).await?;
    // The row stays: runs that it counts give back what they took from it.
    let cleared = sqlx::query(
        "UPDATE job_limits SET rate_per_second = NULL, burst = NULL, concurrency = NULL,
                weight = NULL, tokens = 0, changed_at = now()
         WHERE key = $1
           AND (rate_per_second IS NOT NULL OR concurrency IS NOT NULL OR weight IS NOT NULL)",
    )
    .bind(key.as_str())
    .execute(tx.conn())
    .await?
    .rows_affected();
    if cleared == 0 {
        return Err(ControlError::NotFound);
    }
    limits_changed(tx);
    Ok(())
}

/// Lets nothing begin that a key applies to, until a time or until somebody resumes it. What runs
/// goes on.
///
/// # Errors
/// `Invalid` if the time has passed.
pub async fn pause(
    tx: &mut impl Tx,
    key: &LimitKey,
    until: Option<DateTime<Utc>>,
) -> Result<LimitView> {
    limit_time(tx).await?;
    let lies_ahead: bool = sqlx::query_scalar("SELECT coalesce($1 > clock_timestamp(), true)")
        .bind(until)
        .fetch_one(tx.conn())
        .await?;
    if !lies_ahead {
        return Err(InvalidField::new("until", "must lie ahead").into());
    }
    sqlx::query(
        "INSERT INTO job_limits (key, paused_until) VALUES ($1, coalesce($2::timestamptz, 'infinity'))
         ON CONFLICT (key) DO UPDATE
         SET paused_until = excluded.paused_until, changed_at = now()",
    )
    .bind(key.as_str())
    .bind(until)
    .execute(tx.conn())
    .await?;
    changed(tx, key).await
}

/// Lets nothing begin that a key applies to until a time, or until somebody resumes it; a pause that
/// lasts longer stays as it is.
///
/// # Errors
/// Those of the database.
pub async fn pause_at_least(
    tx: &mut impl Tx,
    key: &LimitKey,
    until: Option<DateTime<Utc>>,
) -> Result<()> {
    limit_time(tx).await?;
    sqlx::query(
        "INSERT INTO job_limits AS l (key, paused_until)
         VALUES ($1, coalesce($2::timestamptz, 'infinity'))
         ON CONFLICT (key) DO UPDATE
         SET paused_until = greatest(l.paused_until, excluded.paused_until), changed_at = now()",
    )
    .bind(key.as_str())
    .bind(until)
    .execute(tx.conn())
    .await?;
    limits_changed(tx);
    Ok(())
}

/// Keys that this process has seen in the table, and when.
#[derive(Default)]
struct Ensured(Mutex<HashMap<String, Instant>>);

/// How many keys are remembered; then all are looked for once more.
const MOST_ENSURED: usize = 100_000;
/// For how long a key is remembered: far less than an idle row is kept.
const ENSURED_FOR: Duration = Duration::from_mins(10);

impl Ensured {
    fn keys(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, key: &str) -> bool {
        let seen = self.keys().get(key).copied();
        seen.is_some_and(|seen| seen.elapsed() < ENSURED_FOR)
    }

    fn note(&self, key: String) {
        let mut keys = self.keys();
        if keys.len() >= MOST_ENSURED {
            keys.clear();
        }
        keys.insert(key, Instant::now());
    }
}

/// Sets a rate where a key has no limit yet; what an operator has set stays. A process asks the table
/// for a key every ten minutes at most.
///
/// # Errors
/// Those of the database.
pub async fn ensure_limit(
    tx: &mut impl Tx,
    key: &str,
    rate_per_second: f64,
    burst: i32,
) -> db::Result<()> {
    let ensured = tx.extensions().get_or_insert(Ensured::default());
    if ensured.has(key) {
        return Ok(());
    }
    let made = sqlx::query(
        "INSERT INTO job_limits (key, rate_per_second, burst, tokens) VALUES ($1, $2, $3, $3)
         ON CONFLICT (key) DO NOTHING",
    )
    .bind(key)
    .bind(rate_per_second)
    .bind(burst)
    .execute(tx.conn())
    .await?
    .rows_affected();
    if made > 0 {
        limits_changed(tx);
    }
    let key = key.to_owned();
    tx.after_commit(Box::new(move || ensured.note(key)));
    Ok(())
}

/// Changes the rate of a key that has one; where there is none, or it was lifted, nothing happens.
///
/// # Errors
/// Those of the database.
pub async fn change_rate(
    tx: &mut impl Tx,
    key: &str,
    rate_per_second: f64,
    burst: i32,
) -> db::Result<()> {
    let changed = sqlx::query(
        "UPDATE job_limits SET
             tokens = least($3, burst, tokens + rate_per_second
                 * greatest(0, extract(epoch FROM now() - refilled_at)::float8)),
             rate_per_second = $2, burst = $3,
             refilled_at = greatest(refilled_at, now()), changed_at = now()
         WHERE key = $1 AND rate_per_second IS NOT NULL",
    )
    .bind(key)
    .bind(rate_per_second)
    .bind(burst)
    .execute(tx.conn())
    .await?
    .rows_affected();
    if changed > 0 {
        limits_changed(tx);
    }
    Ok(())
}

/// Ends a pause; does nothing where there is none.
///
/// # Errors
/// Those of the database.
pub async fn resume(tx: &mut impl Tx, key: &LimitKey) -> Result<()> {
    limit_time(tx).await?;
    let resumed = sqlx::query(
        "UPDATE job_limits SET paused_until = NULL, changed_at = now()
         WHERE key = $1 AND paused_until IS NOT NULL",
    )
    .bind(key.as_str())
    .execute(tx.conn())
    .await?
    .rows_affected();
    if resumed > 0 {
        limits_changed(tx);
    }
    Ok(())
}

/// Tells the engines of the change and shows what became of it.
async fn changed(tx: &mut impl Tx, key: &LimitKey) -> Result<LimitView> {
    limits_changed(tx);
    let found = limits_of(tx.conn(), &[key.to_string()]).await?;
    found.into_iter().next().ok_or(ControlError::NotFound)
}

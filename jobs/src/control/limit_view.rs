use chrono::{DateTime, Utc};
use db::Tx;
use domain::{Cursor, Page};
use sqlx::{FromRow, PgConnection};

use super::{ControlError, LimitKey, Result};
use crate::inspect::limit_time;

/// A limit as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitView {
    /// Its key.
    pub key: String,
    /// How many attempts may begin over time.
    pub rate: Option<Rate>,
    /// How many attempts may run at a time.
    pub concurrency: Option<i32>,
    /// The share of a tenant while there is a backlog; `None`: 1.
    pub weight: Option<f32>,
    /// Its pause, while it lasts.
    pub pause: Option<Pause>,
    /// How many attempts could begin at once; `None`: there is no rate.
    pub tokens: Option<f64>,
    /// Attempts that run and count.
    pub running: i32,
    /// When somebody last changed it.
    pub changed_at: DateTime<Utc>,
    id: i64,
}

/// How many attempts may begin over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In the long run.
    pub per_second: f64,
    /// At once, after a rest.
    pub burst: i32,
}

/// Nothing begins. One that lasts longer is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Until when; `None`: until somebody resumes it.
    pub until: Option<DateTime<Utc>>,
}

impl PartialOrd for Pause {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pause {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let length = |pause: &Self| (pause.until.is_none(), pause.until);
        length(self).cmp(&length(other))
    }
}

impl LimitView {
    /// Whether as many runs count as may run at a time.
    pub(crate) fn is_full(&self) -> bool {
        self.concurrency.is_some_and(|most| self.running >= most)
    }

    /// Whether its rate lets nothing begin at this moment.
    pub(crate) fn is_spent(&self) -> bool {
        self.tokens.is_some_and(|tokens| tokens < 1.0)
    }
}

/// Finds a limit.
///
/// # Errors
/// `NotFound` if nothing is limited or paused by that key.
pub async fn get_limit(tx: &mut impl Tx, key: &LimitKey) -> Result<LimitView> {
    limit_time(tx).await?;
    let found = limits_of(tx.conn(), &[key.to_string()]).await?;
    found.into_iter().next().ok_or(ControlError::NotFound)
}

/// Lists what is limited, paused or weighted, the key that was limited first first.
///
/// # Errors
/// Those of the database.
pub async fn list_limits(
    tx: &mut impl Tx,
    after: Option<i64>,
    limit: usize,
) -> Result<Page<LimitView>> {
    limit_time(tx).await?;
    let statement = sqlx::AssertSqlSafe(format!(
        "{SELECT} AND id > $1 ORDER BY id LIMIT {}",
        limit + 1
    ));
    let rows: Vec<Row> = sqlx::query_as(statement)
        .bind(after.unwrap_or(0))
        .fetch_all(tx.conn())
        .await?;
    let views = rows.into_iter().map(LimitView::from).collect();
    Ok(Page::from_rows(views, limit, |limit: &LimitView| {
        Cursor::after(limit.id)
    }))
}

/// The limits of these keys that limit, pause or weigh anything.
pub(crate) async fn limits_of(
    conn: &mut PgConnection,
    keys: &[String],
) -> db::Result<Vec<LimitView>> {
    let statement = sqlx::AssertSqlSafe(format!("{SELECT} AND key = ANY($1) ORDER BY key"));
    let rows: Vec<Row> = sqlx::query_as(statement).bind(keys).fetch_all(conn).await?;
    Ok(rows.into_iter().map(LimitView::from).collect())
}

/// 'infinity' is no time that a program could read. Rows are kept after they were cleared.
const SELECT: &str = "
    SELECT id, key, rate_per_second, burst, concurrency, weight, running, changed_at,
           least(burst, tokens + rate_per_second
               * greatest(0, extract(epoch FROM now() - refilled_at)::float8)) AS tokens,
           coalesce(paused_until > now(), false) AS paused,
           CASE WHEN isfinite(paused_until) THEN paused_until END AS paused_until
    FROM job_limits
    WHERE (rate_per_second IS NOT NULL OR concurrency IS NOT NULL OR weight IS NOT NULL
           OR paused_until > now())";

#[derive(FromRow)]
struct Row {
    id: i64,
    key: String,
    rate_per_second: Option<f64>,
    burst: Option<i32>,
    concurrency: Option<i32>,
    weight: Option<f32>,
    running: i32,
    changed_at: DateTime<Utc>,
    tokens: Option<f64>,
    paused: bool,
    paused_until: Option<DateTime<Utc>>,
}

impl From<Row> for LimitView {
    fn from(row: Row) -> Self {
        let rate = row
            .rate_per_second
            .zip(row.burst)
            .map(|(per_second, burst)| Rate { per_second, burst });
        Self {
            id: row.id,
            key: row.key,
            rate,
            concurrency: row.concurrency,
            weight: row.weight,
            pause: row.paused.then_some(Pause {
                until: row.paused_until,
            }),
            // `least` passes over a burst that is missing.
            tokens: rate.and(row.tokens),
            running: row.running,
            changed_at: row.changed_at,
        }
    }
}

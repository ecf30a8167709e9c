use chrono::{DateTime, Utc};
use db::{SystemTx, Tx as _};
use sqlx::FromRow;

use super::{CatchUp, Error, Kind, Result, Spec, enqueue, now, say_changed};
use crate::Enqueued;

/// What a person sets of a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleValues {
    /// The kind of its jobs.
    pub kind: String,
    /// When its ticks are, as [`Spec`] reads it.
    pub spec: String,
    /// What becomes of missed ticks.
    pub catch_up: CatchUp,
    /// What its jobs carry.
    pub payload: serde_json::Value,
}

/// A schedule as operators see it.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// The kind of its jobs.
    pub kind: String,
    /// When its ticks are.
    pub spec: String,
    /// What becomes of missed ticks: `skip`, `latest` or `all`.
    pub catch_up: String,
    /// What its jobs carry.
    pub payload: serde_json::Value,
    /// Whether somebody paused it.
    pub paused: bool,
    /// The next tick; while it is paused, the one that it was paused before.
    pub next_at: DateTime<Utc>,
    /// The latest tick that had a job.
    pub last_at: Option<DateTime<Utc>>,
    /// When it was last set.
    pub changed_at: DateTime<Utc>,
    /// Why nothing comes of it, in words; `None` when its next tick will have a job.
    pub waiting_because: Option<String>,
}

/// Every column of a view. A tick that is a minute late has nobody who knows its kind.
const VIEW: &str = "
    SELECT name, kind, spec, catch_up, payload, paused, next_at, last_at, changed_at,
           CASE WHEN paused THEN 'paused'
                WHEN next_at < now() - interval '1 minute'
                    THEN 'no worker that knows its kind and its spec looks at it'
           END AS waiting_because
    FROM job_schedules
    WHERE $1::text IS NULL OR name = $1
    ORDER BY name";

/// Lists every schedule, by name.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut SystemTx) -> Result<Vec<ScheduleView>> {
    Ok(sqlx::query_as(VIEW)
        .bind(None::<&str>)
        .fetch_all(tx.conn())
        .await?)
}

/// One schedule.
///
/// # Errors
/// `NotFound` if there is none of that name.
pub async fn get(tx: &mut SystemTx, name: &str) -> Result<ScheduleView> {
    sqlx::query_as(VIEW)
        .bind(known_name(name)?)
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound)
}

/// Adds a schedule, or sets one anew: paused stays paused, and a spec that stays the same keeps its
/// next tick. One that the product brings itself is set back when a process starts.
///
/// # Errors
/// `Refused` if a value is not fit, with its name.
pub async fn put(
    tx: &mut SystemTx,
    kinds: &[Kind],
    name: &str,
    values: &ScheduleValues,
) -> Result<()> {
    checked_name(name)?;
    let kind = Kind::find(kinds, &values.kind)
        .ok_or_else(|| Error::refused("kind", "is not one that this version knows"))?;
    let spec: Spec = values.spec.parse()?;
    (kind.check)(&values.payload)?;
    let now = now(tx).await?;
    sqlx::query(
        "INSERT INTO job_schedules AS s (name, kind, spec, catch_up, payload, next_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO UPDATE SET
             kind = excluded.kind,
             spec = excluded.spec,
             catch_up = excluded.catch_up,
             payload = excluded.payload,
             next_at = CASE WHEN s.spec = excluded.spec THEN s.next_at ELSE excluded.next_at END,
             changed_at = now()",
    )
    .bind(name)
    .bind(kind.name)
    .bind(spec.to_string())
    .bind(values.catch_up.as_str())
    .bind(&values.payload)
    .bind(spec.next_or_later(now))
    .execute(tx.conn())
    .await?;
    say_changed(tx);
    Ok(())
}

/// Lets no more ticks of a schedule come.
///
/// # Errors
/// `NotFound` if there is none of that name.
pub async fn pause(tx: &mut SystemTx, name: &str) -> Result<()> {
    let paused = sqlx::query(
        "UPDATE job_schedules SET
             changed_at = CASE WHEN paused THEN changed_at ELSE now() END,
             paused = true
         WHERE name = $1",
    )
    .bind(known_name(name)?)
    .execute(tx.conn())
    .await?;
    found(paused.rows_affected())
}

/// Lets the ticks of a paused schedule come again, from the next one on: those that passed meanwhile
/// are not caught up on, whatever the policy.
///
/// # Errors
/// `NotFound` if there is none of that name.
pub async fn resume(tx: &mut SystemTx, name: &str) -> Result<()> {
    let now = now(tx).await?;
    let row: Option<(String, DateTime<Utc>, bool)> = sqlx::query_as(
        "SELECT spec, next_at, paused FROM job_schedules WHERE name = $1 FOR UPDATE",
    )
    .bind(known_name(name)?)
    .fetch_optional(tx.conn())
    .await?;
    let (spec, next_at, paused) = row.ok_or(Error::NotFound)?;
    if !paused {
        return Ok(());
    }
    let next_at = match spec.parse::<Spec>() {
        Ok(spec) if next_at < now => spec.next_or_later(now),
        _ => next_at,
    };
    sqlx::query(
        "UPDATE job_schedules SET paused = false, next_at = $2, changed_at = now() WHERE name = $1",
    )
    .bind(name)
    .bind(next_at)
    .execute(tx.conn())
    .await?;
    say_changed(tx);
    Ok(())
}

/// Deletes a schedule; jobs of ticks that have come stay. One that the product brings itself comes
/// back when a process starts: pause it instead.
///
/// # Errors
/// `NotFound` if there is none of that name.
pub async fn delete(tx: &mut SystemTx, name: &str) -> Result<()> {
    let deleted = sqlx::query("DELETE FROM job_schedules WHERE name = $1")
        .bind(known_name(name)?)
        .execute(tx.conn())
        .await?;
    found(deleted.rows_affected())
}

/// Enqueues a job of a schedule at once, paused or not; its ticks stay as they are. While one that
/// was enqueued like this has not begun, that one is meant.
///
/// # Errors
/// `NotFound` if there is none of that name; `Refused` if its kind is not known to this version.
pub async fn run_now(tx: &mut SystemTx, kinds: &[Kind], name: &str) -> Result<Enqueued> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT kind, payload::text FROM job_schedules WHERE name = $1")
            .bind(known_name(name)?)
            .fetch_optional(tx.conn())
            .await?;
    let (kind, payload) = row.ok_or(Error::NotFound)?;
    let kind = Kind::find(kinds, &kind)
        .ok_or_else(|| Error::refused("kind", "is not one that this version knows"))?;
    Ok(enqueue::once(tx, kind, name, &payload).await?)
}

/// The name, if it is one: it stands in unique keys and in addresses of the API.
pub(super) fn checked_name(name: &str) -> Result<&str> {
    let is_name = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name {
        Ok(name)
    } else {
        let reason = "must be 1 to 63 of the characters a to z, 0 to 9 and -";
        Err(Error::refused("name", reason))
    }
}

/// The name, if there may be a schedule of that name.
fn known_name(name: &str) -> Result<&str> {
    checked_name(name).map_err(|_| Error::NotFound)
}

fn found(rows: u64) -> Result<()> {
    if rows == 0 {
        Err(Error::NotFound)
    } else {
        Ok(())
    }
}

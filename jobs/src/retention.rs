//! What the engine's tables keep for a while, and then let go. Doing it again changes nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use db::{Db, Result, TenantTx, Tx as _};

use crate::counters::{Counters, Place};
use crate::engine::limits_changed;

/// The most dead jobs that one statement deletes.
const BATCH: i64 = 1000;
/// How many days the figures of minutes are kept.
const MINUTES_DAYS: i32 = 7;

/// Deletes jobs that have been dead for more than `days`; says how many.
///
/// # Errors
/// Those of the database; what was deleted before stays deleted.
pub async fn delete_dead(db: &Db, days: NonZeroU32) -> Result<u64> {
    let days = i32::try_from(days.get()).unwrap_or(i32::MAX);
    let mut deleted = 0;
    loop {
        let mut tx = db.system().await?;
        let kinds: Vec<String> = sqlx::query_scalar(
            "DELETE FROM dead_jobs WHERE id = ANY(ARRAY(
                 SELECT id FROM dead_jobs WHERE died_at < now() - make_interval(days => $1)
                 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))
             RETURNING kind",
        )
        .bind(days)
        .bind(BATCH)
        .fetch_all(tx.conn())
        .await?;
        if kinds.is_empty() {
            return Ok(deleted);
        }
        deleted += kinds.len() as u64;
        if let Some(counters) = tx.extensions().get::<Counters>() {
            tx.after_commit(Box::new(move || note_gone(&counters, kinds)));
        }
        tx.commit().await?;
    }
}

fn note_gone(counters: &Counters, kinds: Vec<String>) {
    let mut gone: BTreeMap<String, i64> = BTreeMap::new();
    for kind in kinds {
        *gone.entry(kind).or_default() += 1;
    }
    for (kind, jobs) in gone {
        counters.moved(&kind, Some(Place::Dead), None, jobs);
    }
}

/// Deletes the figures of minutes that are a week old; says how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_minutes(db: &Db) -> Result<u64> {
    let mut tx = db.system().await?;
    let deleted =
        sqlx::query("DELETE FROM job_minutes WHERE minute < now() - make_interval(days => $1)")
            .bind(MINUTES_DAYS)
            .execute(tx.conn())
            .await?;
    tx.commit().await?;
    Ok(deleted.rows_affected())
}

/// Deletes the rows of limits that limit nothing, count nothing, and were set and last used more than a
/// day ago; says how many. One that is in use at this moment, or that a job carries the key of, is left
/// for the next time.
///
/// # Errors
/// Those of the database.
pub async fn delete_idle_limits(db: &Db) -> Result<u64> {
    let mut tx = db.system().await?;
    let deleted = sqlx::query(
        "DELETE FROM job_limits WHERE id = ANY(ARRAY(
             SELECT l.id FROM job_limits AS l
             WHERE (rate_per_second IS NULL AND concurrency IS NULL AND weight IS NULL
                    OR key LIKE 'wa-pair:%')
               AND coalesce(paused_until, '-infinity') <= now()
               AND running = 0 AND changed_at < now() - interval '1 day'
               AND refilled_at < now() - interval '1 day'
               AND NOT EXISTS (SELECT FROM jobs AS j WHERE j.limit_key_1 = l.key)
               AND NOT EXISTS (SELECT FROM jobs AS j WHERE j.limit_key_2 = l.key)
             ORDER BY l.id FOR UPDATE OF l SKIP LOCKED))",
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if deleted > 0 {
        limits_changed(&mut tx);
    }
    tx.commit().await?;
    Ok(deleted)
}

/// Empties the tenant's jobs that are over and were made in the order of a key, which may name a
/// person: payload and key lose it. Returns how many. A dead one cannot run again after that.
///
/// # Errors
/// Those of the database.
pub async fn forget_key(tx: &mut TenantTx, kind: &str, key: &str) -> Result<u64> {
    const STATEMENTS: [&str; 2] = [
        "UPDATE job_history SET payload = '{}', ordering_key = NULL
         WHERE tenant_id = $1 AND kind = $2 AND ordering_key = $3",
        "UPDATE dead_jobs SET payload = '{}', ordering_key = NULL
         WHERE tenant_id = $1 AND kind = $2 AND ordering_key = $3",
    ];
    let tenant = tx.tenant();
    let mut emptied = 0;
    for statement in STATEMENTS {
        emptied += sqlx::query(statement)
            .bind(tenant.as_uuid())
            .bind(kind)
            .bind(key)
            .execute(tx.conn())
            .await?
            .rows_affected();
    }
    Ok(emptied)
}

//! The statements that insert a job.

use db::Result;
use sqlx::PgConnection;

use super::row::{HELD, Inserted, READY, RUNNING, Row, SCHEDULED};
use crate::keys;

/// Inserts a job, or finds the one that keeps it out.
pub(super) async fn insert(conn: &mut PgConnection, row: &Row<'_>) -> Result<Inserted> {
    match &row.options.ordering_key {
        None => insert_free(conn, row).await,
        Some(key) => insert_keyed(conn, row, key).await,
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
    insert_at(conn, row, None).await
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
    let inserted = insert_at(conn, row, Some((key, place))).await?;
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
async fn insert_at(
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

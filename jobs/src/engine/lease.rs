use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db::{Db, Result};
use sqlx::{Connection, PgConnection};

use super::Shared;
use super::inflight::{Beat, Held};

/// Notes this process start and gives it a number: claims and fences carry that, never a name, so
/// that a restart under the same name cannot be taken for its predecessor.
pub(super) async fn open_session(db: &Db, kinds: &[&'static str]) -> Result<i64> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let session = sqlx::query_scalar(
        "INSERT INTO worker_sessions (host, process_id, kinds) VALUES ($1, $2, $3) RETURNING id",
    )
    .bind(host.trim())
    .bind(i32::try_from(std::process::id()).unwrap_or(0))
    .bind(kinds)
    .fetch_one(db.pool())
    .await?;
    Ok(session)
}

/// Strikes the session off; a session that crashed is struck off by whoever rescues its jobs.
pub(super) async fn close_session(db: &Db, session: i64) {
    let closed = sqlx::query("DELETE FROM worker_sessions WHERE id = $1")
        .bind(session)
        .execute(db.pool());
    match tokio::time::timeout(Duration::from_secs(2), closed).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the worker session was not closed"),
        Err(_) => tracing::debug!("the worker session was not closed in time"),
    }
}

/// Renews the leases of the jobs really held, on a connection of its own, so that a busy pool
/// cannot starve it.
pub(super) async fn beat_for_ever(shared: Arc<Shared>) {
    let every = shared.options.lease / 3;
    let mut connection = None;
    loop {
        tokio::time::sleep(every).await;
        let beat = beat(&shared, &mut connection);
        match tokio::time::timeout(every.max(Duration::from_millis(500)), beat).await {
            Ok(Ok(0)) => {}
            Ok(Ok(lost)) => {
                shared.notes.lost_leases(lost);
                tracing::warn!(lost, "leases were lost");
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "leases could not be renewed");
                connection = None;
            }
            Err(_) => {
                tracing::warn!("renewing the leases took too long");
                connection = None;
            }
        }
    }
}

async fn beat(shared: &Shared, connection: &mut Option<PgConnection>) -> Result<usize> {
    let open = match connection {
        Some(open) => open,
        None => {
            let options = shared.db.pool().connect_options();
            connection.insert(PgConnection::connect_with(&options).await?)
        }
    };
    let Held { holds: asked, lost } = shared.inflight.held(Instant::now());
    let until = Instant::now() + shared.options.lease;
    let mut learned = HashMap::new();
    if !asked.is_empty() {
        for (id, renewed, is_cancelled) in renew(shared, open, &asked).await? {
            let beat = if renewed { Beat::Renewed } else { Beat::Busy };
            learned.insert(id, beat);
            if is_cancelled {
                // The word that said so may have got lost.
                shared.inflight.cancel(id);
            }
        }
    }
    let lost = lost + shared.inflight.beat(&asked, &learned, until);
    sqlx::query(
        "UPDATE worker_sessions SET seen_at = now(), lost_leases = lost_leases + $2 WHERE id = $1",
    )
    .bind(shared.session)
    .bind(i64::try_from(lost).unwrap_or(0))
    .execute(open)
    .await?;
    Ok(lost)
}

/// Renews what can be renewed without waiting, and says of each job that is still held whether it
/// was renewed and whether somebody cancelled it: a row locked by its own job's transaction is safe
/// from rescue as it is, and must not hold up the others. Rows are found by id alone, and the fence
/// is hidden from the planner, as where outcomes are committed.
async fn renew(
    shared: &Shared,
    connection: &mut PgConnection,
    asked: &[(i64, i32)],
) -> Result<Vec<(i64, bool, bool)>> {
    let (ids, claims): (Vec<i64>, Vec<i32>) = asked.iter().copied().unzip();
    Ok(sqlx::query_as(
        "WITH held AS (
             SELECT j.id, j.cancel_requested_at IS NOT NULL AS is_cancelled FROM jobs AS j
             JOIN unnest($1::bigint[], $2::integer[]) AS h(id, claims) ON j.id = h.id
             WHERE j.id = ANY($1)
               AND CASE WHEN j.session_id = $3 THEN j.claims = h.claims ELSE false END
         ), free AS MATERIALIZED (
             SELECT id FROM jobs
             WHERE id = ANY(ARRAY(SELECT id FROM held)) AND session_id = $3
             ORDER BY id FOR UPDATE SKIP LOCKED
         ), renewed AS (
             UPDATE jobs AS j SET lease_until = now() + make_interval(secs => $4)
             FROM free AS f WHERE j.id = f.id
             RETURNING j.id
         )
         SELECT h.id, r.id IS NOT NULL, h.is_cancelled
         FROM held AS h LEFT JOIN renewed AS r ON r.id = h.id",
    )
    .bind(&ids)
    .bind(&claims)
    .bind(shared.session)
    .bind(shared.options.lease.as_secs_f64())
    .fetch_all(connection)
    .await?)
}

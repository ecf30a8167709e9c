use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use db::{Db, Result};
use sqlx::{Connection, PgConnection};

use super::Shared;
use super::inflight::{Beat, Held};
use crate::inspect::LIVE;

/// The longest a process goes without a heartbeat, whatever its leases: one that was not seen for
/// [`LIVE`] counts as gone.
const MOST: Duration = Duration::from_secs(10);
const _: () = assert!(MOST.as_secs() * 3 <= LIVE.as_secs());

/// How often the heart of a process beats.
fn every(lease: Duration) -> Duration {
    (lease / 3).min(MOST)
}

/// A process start: its number, and what else its row says, so that it can be written anew.
pub(super) struct Session {
    /// What claims and fences carry, never a name, so that a restart under the same name cannot be
    /// taken for its predecessor.
    pub(super) id: i64,
    host: String,
    process_id: i32,
    started_at: DateTime<Utc>,
}

/// Notes this process start and gives it a number.
pub(super) async fn open_session(db: &Db, kinds: &[&'static str]) -> Result<Session> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().to_owned();
    let process_id = i32::try_from(std::process::id()).unwrap_or(0);
    let (id, started_at) = sqlx::query_as(
        "INSERT INTO worker_sessions (host, process_id, kinds) VALUES ($1, $2, $3)
         RETURNING id, started_at",
    )
    .bind(&host)
    .bind(process_id)
    .bind(kinds)
    .fetch_one(db.pool())
    .await?;
    Ok(Session {
        id,
        host,
        process_id,
        started_at,
    })
}

/// Strikes the session off; a session that crashed is struck off by whoever rescues its jobs.
pub(super) async fn close_session(db: &Db, session: &Session) {
    let closed = sqlx::query("DELETE FROM worker_sessions WHERE id = $1")
        .bind(session.id)
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
    let every = every(shared.options.lease);
    let mut connection = None;
    loop {
        tokio::time::sleep(every).await;
        let beat = beat(&shared, &mut connection);
        match tokio::time::timeout(every.max(Duration::from_millis(500)), beat).await {
            Ok(Ok(0)) => {}
            Ok(Ok(lost)) => tracing::warn!(lost, "leases were lost"),
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

/// One heartbeat. Returns how many leases turned out to be lost.
async fn beat(shared: &Shared, connection: &mut Option<PgConnection>) -> Result<usize> {
    let open = match connection {
        Some(open) => open,
        None => {
            let options = shared.db.fixed().connect_options();
            connection.insert(PgConnection::connect_with(&options).await?)
        }
    };
    let Held { holds: asked, lost } = shared.inflight.held(Instant::now());
    // Before anything that can fail: they are told of once.
    shared.notes.lost_leases(&lost);
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
    let missed = shared.inflight.beat(&asked, &learned, until);
    shared.notes.lost_leases(&missed);
    let lost = lost.len() + missed.len();
    be_seen(shared, open, lost).await?;
    Ok(lost)
}

/// Notes a sign of life. Others strike off whoever gives none for long, as where the database was
/// away: who is there all the same puts its row back.
async fn be_seen(shared: &Shared, connection: &mut PgConnection, lost: usize) -> Result<()> {
    let session = &shared.session;
    let lost = i64::try_from(lost).unwrap_or(0);
    let seen = sqlx::query(
        "UPDATE worker_sessions SET seen_at = now(), lost_leases = lost_leases + $2 WHERE id = $1",
    )
    .bind(session.id)
    .bind(lost)
    .execute(&mut *connection)
    .await?;
    if seen.rows_affected() == 0 {
        sqlx::query(
            "INSERT INTO worker_sessions (id, host, process_id, kinds, started_at, lost_leases)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(session.id)
        .bind(&session.host)
        .bind(session.process_id)
        .bind(&shared.kinds)
        .bind(session.started_at)
        .bind(lost)
        .execute(connection)
        .await?;
    }
    Ok(())
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
    Ok(sqlx::query_as(RENEW)
        .bind(&ids)
        .bind(&claims)
        .bind(shared.session.id)
        .bind(shared.options.lease.as_secs_f64())
        .fetch_all(connection)
        .await?)
}

pub(super) const RENEW: &str = "
    WITH held AS MATERIALIZED (
        SELECT j.id, j.cancel_requested_at IS NOT NULL AS is_cancelled FROM jobs AS j
        JOIN unnest($1::bigint[], $2::integer[]) AS h(id, claims) ON j.id = h.id
        WHERE j.id = ANY($1)
          AND CASE WHEN j.session_id = $3 THEN j.claims = h.claims ELSE false END
    ), free AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE id = ANY(ARRAY(SELECT id FROM held))
          AND CASE WHEN session_id = $3 THEN true ELSE false END
        ORDER BY id FOR UPDATE SKIP LOCKED
    ), renewed AS (
        UPDATE jobs AS j SET lease_until = now() + make_interval(secs => $4)
        WHERE j.id = ANY(ARRAY(SELECT id FROM free))
        RETURNING j.id
    )
    SELECT h.id, r.id IS NOT NULL, h.is_cancelled
    FROM held AS h LEFT JOIN renewed AS r ON r.id = h.id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_however_long_its_leases_are() {
        let secs = Duration::from_secs;
        assert_eq!(every(secs(6)), secs(2));
        assert_eq!(every(secs(30)), secs(10));
        for lease in [91, 300, 86_400] {
            assert!(every(secs(lease)) <= LIVE / 3);
        }
    }
}

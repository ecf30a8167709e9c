//! The statements that end jobs.

/// Moves ended jobs to the history. A statement that was committed before its answer got lost
/// finds nothing to move, which is right.
///
/// The CASE hides the fence from the planner. Its statistics know of hardly any running job, so
/// that it would read them all first and compare each with every outcome: seconds for a thousand
/// of them. Rows are found by id alone; that there is a session means that the job is running.
macro_rules! end_sql {
    ($fence:literal, $select:literal) => {
        concat!(
            "WITH ended AS (
                 SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[])
                     AS e(id, claims, reason)
             ), gone AS (
                 DELETE FROM jobs AS j USING ended AS e
                 WHERE j.id = ANY($1) AND j.id = e.id AND ",
            $fence,
            "
                 RETURNING j.id, j.claims, j.kind, j.lane, j.tenant_id,
                           CASE WHEN e.reason IS NULL THEN 'done' ELSE 'cancelled' END AS outcome,
                           j.attempt, j.max_attempts, j.created_at, j.claimed_at, j.ordering_key,
                           j.payload, j.run_at, j.session_id, j.priority, j.limit_key_1,
                           j.limit_key_2, j.traceparent, e.reason, j.ordering_seq
             ), kept AS (
                 INSERT INTO job_history (id, kind, lane, tenant_id, outcome, attempt, max_attempts,
                                          created_at, claimed_at, ordering_key, payload, run_at,
                                          session_id, priority, limit_key_1, limit_key_2,
                                          traceparent, reason)
                 SELECT id, kind, lane, tenant_id, outcome, attempt, max_attempts, created_at,
                        claimed_at, ordering_key, payload, run_at, session_id, priority,
                        limit_key_1, limit_key_2, traceparent, reason
                 FROM gone
             )",
            $select
        )
    };
}

/// Who ended a job that holds no key.
macro_rules! end_free_sql {
    ($fence:literal) => {
        end_sql!(
            $fence,
            " SELECT id, claims, NULL::bigint, NULL::bigint, NULL::bool, NULL::bigint[], NULL::text,
                     NULL::text
              FROM gone"
        )
    };
}

/// The same, and what becomes of their keys, in rows of three kinds: a job that ended, with the one
/// that is seen to be next in its key; those of a flow that were let go; a key that ended, because
/// nobody has taken a place behind.
///
/// Whoever holds the lock on a key's row takes a place behind, so it is waited for, and then the key
/// does not end. Keys are locked in the order of their bytes, as by those who enqueue, and all of them
/// before held jobs, as by those who cancel: the count of those that ended sees to it. That nobody
/// joins these rows to each other is on purpose: a planner that expects few of them compares each with
/// each.
macro_rules! end_keyed_sql {
    ($fence:literal) => {
        end_sql!(
            $fence,
            ", next AS MATERIALIZED (
                 SELECT g.id, g.claims, g.kind, g.ordering_key, g.ordering_seq, (
                     SELECT h.id FROM jobs AS h
                     WHERE h.kind = g.kind AND h.ordering_key = g.ordering_key AND h.state = 2
                     ORDER BY h.ordering_seq LIMIT 1
                 ) AS next
                 FROM gone AS g
             ), ended_keys AS (
                 DELETE FROM job_keys WHERE ctid = ANY(ARRAY(
                     SELECT last.ctid FROM (
                         SELECT kind, ordering_key, ordering_seq FROM next
                         WHERE next IS NULL AND ordering_key IS NOT NULL
                         ORDER BY kind COLLATE \"C\", ordering_key COLLATE \"C\"
                     ) AS n CROSS JOIN LATERAL (
                         SELECT k.ctid, k.last_seq FROM job_keys AS k
                         WHERE k.kind = n.kind AND k.key = n.ordering_key
                         FOR UPDATE
                     ) AS last
                     WHERE last.last_seq = n.ordering_seq))
                 RETURNING kind, key
             ), promoted AS (
                 UPDATE jobs AS j SET state = CASE WHEN j.run_at <= now() THEN 0 ELSE 1 END
                 WHERE j.id = ANY(ARRAY(
                         SELECT next FROM next
                         WHERE next IS NOT NULL AND (SELECT count(*) FROM ended_keys) IS NOT NULL))
                   AND CASE WHEN j.state = 2 THEN true ELSE false END
                 RETURNING j.id, j.flow, j.state = 0 AS is_ready
             )
             SELECT id, claims, next, NULL::bigint, NULL::bool, NULL::bigint[], NULL::text,
                    NULL::text
             FROM next
             UNION ALL
             SELECT NULL, NULL, NULL, flow, is_ready, array_agg(id), NULL, NULL
             FROM promoted GROUP BY flow, is_ready
             UNION ALL
             SELECT NULL, NULL, NULL, NULL, NULL, NULL, kind, key FROM ended_keys"
        )
    };
}

pub(in crate::engine) const END: &str =
    end_free_sql!("CASE WHEN j.session_id = $4 THEN j.claims = e.claims ELSE false END");
pub(in crate::engine) const END_KEYED: &str =
    end_keyed_sql!("CASE WHEN j.session_id = $4 THEN j.claims = e.claims ELSE false END");
/// What must never run: whoever lost the lease ends the job all the same.
pub(super) const UNFENCED: &str = end_free_sql!("$4::bigint IS NOT NULL");
pub(super) const UNFENCED_KEYED: &str = end_keyed_sql!("$4::bigint IS NOT NULL");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{Executor as _, PgConnection, Row as _};
    use testkit::TestDb;

    use super::*;
    use crate::keys;

    /// Two running jobs, each alone in its key; that of the later key has the lower number.
    const JOBS: &str = "
        INSERT INTO jobs (kind, lane, state, max_attempts, payload, session_id, lease_until, claims,
                          ordering_key, ordering_seq)
        VALUES ('probe', 1, 3, 3, '{}', 7, now(), 1, 'c', 1),
               ('probe', 1, 3, 3, '{}', 7, now(), 1, 'a', 1);
        INSERT INTO job_keys (kind, key, last_seq) VALUES ('probe', 'a', 1), ('probe', 'c', 1)";

    /// Ends both; says how many ended, and how many keys with them.
    async fn end_all(conn: &mut PgConnection, ids: Vec<i64>) -> (usize, usize) {
        let rows = sqlx::query(END_KEYED)
            .bind(ids)
            .bind(vec![1_i32, 1])
            .bind(vec![None::<String>; 2])
            .bind(7_i64)
            .fetch_all(conn)
            .await
            .unwrap();
        let set = |column: usize| {
            let is_set = |row: &&sqlx::postgres::PgRow| {
                row.try_get_raw(column)
                    .is_ok_and(|value| !sqlx::ValueRef::is_null(&value))
            };
            rows.iter().filter(is_set).count()
        };
        (set(0), set(7))
    }

    async fn wait_for_a_lock(pool: &sqlx::PgPool, pid: i32) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE pid = $1 AND wait_event_type = 'Lock'";
        for _ in 0..2000 {
            let count: i64 = sqlx::query_scalar(waiting)
                .bind(pid)
                .fetch_one(pool)
                .await
                .unwrap();
            if count > 0 {
                return;
            }
            // Polling the server: there is nothing to be notified by.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody waits for a lock");
    }

    #[tokio::test]
    async fn whoever_enqueues_in_the_order_of_keys_is_never_waited_for_in_a_circle() {
        let database = TestDb::new().await;
        let [mut ending, mut enqueuing] = [
            database.pool().acquire().await.unwrap(),
            database.pool().acquire().await.unwrap(),
        ];
        ending.execute(JOBS).await.unwrap();
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM jobs ORDER BY id")
            .fetch_all(&mut *ending)
            .await
            .unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut *ending)
            .await
            .unwrap();
        enqueuing.execute("BEGIN").await.unwrap();
        keys::join(&mut enqueuing, "probe", "a").await.unwrap();
        let end = tokio::spawn(async move { end_all(&mut ending, ids).await });
        wait_for_a_lock(database.pool(), pid).await;
        keys::join(&mut enqueuing, "probe", "c").await.unwrap();
        enqueuing.execute("COMMIT").await.unwrap();
        // Somebody is behind each of them now.
        assert_eq!(end.await.unwrap(), (2, 0));
    }
}

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
                 RETURNING j.id, j.kind, j.lane, j.tenant_id,
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
            " SELECT id, NULL::bigint AS next, NULL::bigint AS flow, NULL::bool AS is_ready,
                     NULL::text AS ended_kind, NULL::text AS ended_key
              FROM gone"
        )
    };
}

/// The same, and what becomes of their keys, in rows of three kinds: a job that ended, with the one
/// that is seen to be next in its key; one that was let go, with its flow; a key that ended, because
/// nobody has taken a place behind.
///
/// Whoever holds the lock on a key's row takes a place behind, so it is waited for, and then the key
/// does not end. That nobody joins these rows to each other is on purpose: a planner that expects few
/// of them compares each with each.
macro_rules! end_keyed_sql {
    ($fence:literal) => {
        end_sql!(
            $fence,
            ", next AS MATERIALIZED (
                 SELECT g.id, g.kind, g.ordering_key, g.ordering_seq, (
                     SELECT h.id FROM jobs AS h
                     WHERE h.kind = g.kind AND h.ordering_key = g.ordering_key AND h.state = 2
                     ORDER BY h.ordering_seq LIMIT 1
                 ) AS next
                 FROM gone AS g
             ), promoted AS (
                 UPDATE jobs AS j SET state = CASE WHEN j.run_at <= now() THEN 0 ELSE 1 END
                 WHERE j.id = ANY(ARRAY(SELECT next FROM next WHERE next IS NOT NULL))
                   AND CASE WHEN j.state = 2 THEN true ELSE false END
                 RETURNING j.id, j.flow, j.state = 0 AS is_ready
             ), ended_keys AS (
                 DELETE FROM job_keys WHERE ctid = ANY(ARRAY(
                     SELECT last.ctid FROM next AS n CROSS JOIN LATERAL (
                         SELECT k.ctid FROM job_keys AS k
                         WHERE k.kind = n.kind AND k.key = n.ordering_key
                           AND k.last_seq = n.ordering_seq
                         FOR UPDATE
                     ) AS last
                     WHERE n.next IS NULL AND n.ordering_key IS NOT NULL))
                 RETURNING kind, key
             )
             SELECT id, next, NULL::bigint AS flow, NULL::bool AS is_ready,
                    NULL::text AS ended_kind, NULL::text AS ended_key
             FROM next
             UNION ALL SELECT id, NULL, flow, is_ready, NULL, NULL FROM promoted
             UNION ALL SELECT NULL, NULL, NULL, NULL, kind, key FROM ended_keys"
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

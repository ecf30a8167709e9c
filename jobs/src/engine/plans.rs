//! Holds the plans of the statements that every job goes through.

use sqlx::{AssertSqlSafe, Executor as _};
use testkit::TestDb;

use super::claim::{CLAIM, CLAIM_LIMITED};
use super::discover::{HEADS, LOOK};
use super::due::{NEXT, PROMOTE};
use super::finish::again::AGAIN;
use super::finish::end_sql::{END, END_KEYED};
use super::lease::RENEW;
use super::rescue::{EXHAUSTED, LATE, PUT_BACK, STRIKE_OFF};
use crate::keys::{LOCK, RELEASE};

/// What the tables may look like when a plan is made, which then is kept while they grow.
const TABLES: [&[&str]; 3] = [
    // Statistics know of no running job: that is what they say when they were taken of a backlog.
    &[
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload)
         SELECT 'probe', 1, 0, 3, '{}' FROM generate_series(1, 20000)",
        "INSERT INTO job_keys (kind, key, last_seq)
         SELECT 'probe', n, 1 FROM generate_series(1, 5000) AS n",
        "ANALYZE jobs, job_keys",
        "UPDATE jobs SET state = 3, session_id = 1, lease_until = now() WHERE id % 2 = 0",
    ],
    &["VACUUM (ANALYZE) jobs, job_keys"],
    &[
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, ordering_key, ordering_seq)
         VALUES ('probe', 1, 2, 3, '{}', 'k', 1)",
        "INSERT INTO job_keys (kind, key, last_seq) VALUES ('probe', 'k', 1)",
        "VACUUM (ANALYZE) jobs, job_keys",
    ],
];

/// The plans that a prepared statement keeps on one of the engine's connections.
async fn kept_plans(statement: &str, types: &str, arguments: &str) -> Vec<String> {
    let mut plans = Vec::new();
    for tables in TABLES {
        let database = TestDb::new().await;
        let db = db::Db::connect_lazy(&db::DbOptions::new(database.url())).unwrap();
        let mut connection = db.fixed().acquire().await.unwrap();
        for sql in tables {
            connection.execute(*sql).await.unwrap();
        }
        let types = match types {
            "" => String::new(),
            types => format!("({types})"),
        };
        let prepare = format!("PREPARE kept {types} AS {statement}");
        connection.execute(AssertSqlSafe(prepare)).await.unwrap();
        let explain = match arguments {
            "" => "EXPLAIN EXECUTE kept".to_owned(),
            arguments => format!("EXPLAIN EXECUTE kept ({arguments})"),
        };
        let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let plan = lines.join("\n");
        assert!(!plan.contains("Seq Scan on job"), "{plan}");
        plans.push(plan);
    }
    plans
}

/// One that finds them by their leases compares each with every outcome: 2 seconds for 1,000.
fn finds_rows_by_id(plan: &str) {
    assert!(plan.contains("jobs_pkey"), "{plan}");
    assert!(!plan.contains("jobs_lease_idx"), "{plan}");
}

#[tokio::test]
async fn ended_jobs_are_found_by_id_whatever_the_statistics_say() {
    let types = "bigint[], integer[], text[], bigint";
    for statement in [END, END_KEYED] {
        for plan in kept_plans(statement, types, "'{2}', '{0}', '{done}', 1").await {
            finds_rows_by_id(&plan);
        }
    }
    // Each key by itself, too.
    for plan in kept_plans(END_KEYED, types, "'{2}', '{0}', '{done}', 1").await {
        assert!(plan.contains("Tid Scan on job_keys"), "{plan}");
        assert_eq!(plan.matches("Index Cond: ((kind = ").count(), 2, "{plan}");
        assert!(plan.contains("jobs_held_idx"), "{plan}");
    }
}

#[tokio::test]
async fn jobs_that_run_again_are_found_by_id_whatever_the_statistics_say() {
    let types = "bigint[], integer[], float8[], text[], text[], bool[], bigint";
    let arguments = "'{2}', '{0}', '{0}', '{retry}', '{e}', '{f}', 1";
    for plan in kept_plans(AGAIN, types, arguments).await {
        finds_rows_by_id(&plan);
    }
}

#[tokio::test]
async fn jobs_whose_leases_are_renewed_are_found_by_id_whatever_the_statistics_say() {
    let types = "bigint[], integer[], bigint, float8";
    for plan in kept_plans(RENEW, types, "'{2}', '{0}', 1, 30").await {
        finds_rows_by_id(&plan);
        assert_eq!(plan.matches("Index Cond: (id = ANY").count(), 3, "{plan}");
    }
}

#[tokio::test]
async fn abandoned_and_late_jobs_are_found_by_their_times() {
    let arguments = "'{probe}', 200";
    for plan in kept_plans(EXHAUSTED, "text[], bigint", arguments).await {
        assert!(plan.contains("Index Cond: (lease_until < now())"), "{plan}");
    }
    for plan in kept_plans(LATE, "text[], bigint", arguments).await {
        assert!(plan.contains("Index Cond: (deadline_at < now())"), "{plan}");
    }
    for plan in kept_plans(PUT_BACK, "text[], bigint, text", "'{probe}', 200, 'e'").await {
        assert!(plan.contains("Index Cond: (lease_until < now())"), "{plan}");
        assert!(plan.contains("Index Cond: (id = ANY"), "{plan}");
    }
}

/// By the index of running jobs, of which there are as many as slots; sessions are few.
#[tokio::test]
async fn sessions_without_a_job_are_told_by_the_index_of_running_jobs() {
    for plan in kept_plans(STRIKE_OFF, "float8, bigint", "300, 1").await {
        assert!(plan.contains("jobs_lease_idx"), "{plan}");
    }
}

#[tokio::test]
async fn claims_step_from_flow_to_flow_by_their_index() {
    let types = "bigint[], bigint[], integer[], bigint, float8, text[], timestamptz";
    let arguments = "'{1}', '{0}', '{500}', 1, 30, '{NULL}', NULL";
    for statement in [CLAIM, CLAIM_LIMITED] {
        for plan in kept_plans(statement, types, arguments).await {
            assert!(plan.contains("jobs_ready_idx"), "{plan}");
            finds_rows_by_id(&plan);
        }
    }
}

/// By conditions on the index: one that filters what an index gives reads all flows for each page.
#[tokio::test]
async fn flows_are_looked_at_by_their_index() {
    for plan in kept_plans(LOOK, "bigint, integer", "1, 1000").await {
        assert!(plan.contains("Index Cond: (flow > $1)"), "{plan}");
        assert!(plan.contains("Index Cond: (flow > heads_1.flow)"), "{plan}");
    }
    for plan in kept_plans(HEADS, "bigint[]", "'{1}'").await {
        assert!(
            plan.contains("Index Cond: ((ROW(flow, id) >= ROW(f.flow, 0)) AND (flow <= f.flow))"),
            "{plan}"
        );
    }
}

#[tokio::test]
async fn due_jobs_are_found_by_when_they_are_due() {
    for plan in kept_plans(PROMOTE, "bigint", "1000").await {
        assert!(plan.contains("Index Cond: (run_at <= now())"), "{plan}");
        finds_rows_by_id(&plan);
    }
    for plan in kept_plans(NEXT, "", "").await {
        assert!(!plan.contains("Sort"), "{plan}");
    }
}

/// Each by itself: one that reads all keys, or all held jobs, does so for each key that is let go.
#[tokio::test]
async fn keys_and_who_is_next_are_found_one_by_one() {
    let by_key = "Index Cond: ((kind = ";
    for plan in kept_plans(LOCK, "text[], text[]", "'{a}', '{b}'").await {
        assert_eq!(plan.matches(by_key).count(), 1, "{plan}");
    }
    for plan in kept_plans(RELEASE, "text[], text[], bool", "'{a}', '{b}', true").await {
        finds_rows_by_id(&plan);
        assert!(plan.contains("jobs_held_idx"), "{plan}");
        assert!(plan.contains("Tid Scan on job_keys"), "{plan}");
        assert_eq!(plan.matches(by_key).count(), 2, "{plan}");
    }
}

//! Holds the plans of the statements that every job goes through.

use sqlx::{AssertSqlSafe, Executor as _};
use testkit::TestDb;

use super::claim::{CLAIM, CLAIM_LIMITED};
use super::finish::again::AGAIN;
use super::finish::end::END;

/// The plan that a prepared statement keeps, made from statistics that know of no running job:
/// that is what they say whenever they were taken of a backlog.
async fn kept_plan(statement: &str, types: &str, arguments: &str) -> String {
    let database = TestDb::new().await;
    let mut connection = database.pool().acquire().await.unwrap();
    for sql in [
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload)
         SELECT 'probe', 1, 0, 3, '{}' FROM generate_series(1, 20000)",
        "ANALYZE jobs",
        "UPDATE jobs SET state = 3, session_id = 1, lease_until = now() WHERE id % 2 = 0",
        "SET plan_cache_mode = force_generic_plan",
    ] {
        connection.execute(sql).await.unwrap();
    }
    let prepare = format!("PREPARE kept ({types}) AS {statement}");
    connection.execute(AssertSqlSafe(prepare)).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE kept ({arguments})");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    lines.join("\n")
}

/// One that finds them by their leases compares each with every outcome: 2 seconds for 1,000.
fn finds_rows_by_id(plan: &str) {
    assert!(plan.contains("jobs_pkey"), "{plan}");
    assert!(!plan.contains("jobs_lease_idx"), "{plan}");
    assert!(!plan.contains("Seq Scan on jobs"), "{plan}");
}

#[tokio::test]
async fn ended_jobs_are_found_by_id_whatever_the_statistics_say() {
    let types = "bigint[], integer[], text[], bigint";
    let plan = kept_plan(END, types, "'{2}', '{0}', '{done}', 1").await;
    finds_rows_by_id(&plan);
}

#[tokio::test]
async fn jobs_that_run_again_are_found_by_id_whatever_the_statistics_say() {
    let types = "bigint[], integer[], float8[], text[], text[], bool[], bigint";
    let arguments = "'{2}', '{0}', '{0}', '{retry}', '{e}', '{f}', 1";
    let plan = kept_plan(AGAIN, types, arguments).await;
    finds_rows_by_id(&plan);
}

#[tokio::test]
async fn claims_step_from_flow_to_flow_by_their_index() {
    let types = "bigint[], bigint[], integer[], bigint, float8, text[], timestamptz";
    let arguments = "'{1}', '{0}', '{500}', 1, 30, '{NULL}', NULL";
    for statement in [CLAIM, CLAIM_LIMITED] {
        let plan = kept_plan(statement, types, arguments).await;
        assert!(plan.contains("jobs_ready_idx"), "{plan}");
        finds_rows_by_id(&plan);
    }
}

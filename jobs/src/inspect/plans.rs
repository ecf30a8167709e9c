//! Holds the plans of what operators and tenants ask: each has to be bounded by an index, whatever
//! the size of the backlog.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use testkit::TestDb;

use super::list::page_query;
use super::{JobFilter, JobState, facts, queues, tenant_queues};

const BUSY: &str = "0198c0de-0000-7000-8000-000000000001";
const QUIET: &str = "0198c0de-0000-7000-8000-000000000002";

/// 100,000 jobs of a busy tenant in 200 flows, a few that run, a few of a quiet tenant.
async fn backlog(database: &TestDb) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
    let mut connection = database.pool().acquire().await.unwrap();
    let busy = format!(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, tenant_id, limit_key_1,
                           ordering_key, ordering_seq, session_id, lease_until)
         SELECT 'probe', 1, CASE WHEN n % 10 = 0 THEN 2 WHEN n % 1000 = 1 THEN 3 ELSE 0 END, 3,
                '{{}}', '{BUSY}', 'endpoint:' || n % 200, 'key-' || n, 1,
                CASE WHEN n % 1000 = 1 THEN 1 END, CASE WHEN n % 1000 = 1 THEN now() END
         FROM generate_series(1, 100000) AS n"
    );
    let quiet = format!(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, tenant_id)
         SELECT 'probe', 1, 0, 3, '{{}}', '{QUIET}' FROM generate_series(1, 5)"
    );
    let history = format!(
        "INSERT INTO job_history (id, kind, lane, outcome, attempt, max_attempts, created_at,
                                  payload, tenant_id)
         SELECT n, 'probe', 1, 'done', 1, 3, now(), '{{}}', '{BUSY}'
         FROM generate_series(1, 50000) AS n"
    );
    let dead = format!(
        "INSERT INTO dead_jobs (id, kind, lane, priority, reason, attempt, max_attempts, created_at,
                                payload, tenant_id)
         SELECT n, 'probe', 1, 0, 'over', 3, 3, now(), '{{}}', '{BUSY}'
         FROM generate_series(1, 50000) AS n"
    );
    for sql in [busy, quiet, history, dead, "ANALYZE".to_owned()] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    connection
}

/// The plan for these values, with what it really read.
async fn plan(
    connection: &mut PgConnection,
    statement: &str,
    types: &str,
    arguments: &str,
) -> String {
    let arguments = match arguments {
        "" => String::new(),
        some => format!("({some})"),
    };
    let types = match types {
        "" => String::new(),
        some => format!("({some})"),
    };
    for sql in [
        "SET plan_cache_mode = force_custom_plan".to_owned(),
        format!("PREPARE asked {types} AS {statement}"),
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE asked {arguments}");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    connection.execute("DEALLOCATE asked").await.unwrap();
    lines.join("\n")
}

/// No big table is read as a whole, and the plan touches few pages. Days of the history without any
/// row are read as a whole, which is nothing.
fn is_bounded(plan: &str, most_pages: u64) {
    assert!(!plan.contains("Seq Scan on jobs"), "{plan}");
    assert!(!plan.contains("Seq Scan on dead_jobs"), "{plan}");
    let pages = plan
        .lines()
        .find_map(|line| line.trim().strip_prefix("Buffers: shared "))
        .into_iter()
        .flat_map(|counts| counts.split(' '))
        .filter_map(|count| match count.split_once('=')? {
            ("hit" | "read", pages) => pages.parse::<u64>().ok(),
            _ => None,
        })
        .sum::<u64>();
    assert!(pages <= most_pages, "{pages} pages: {plan}");
}

fn page(filter: &JobFilter) -> String {
    let query = page_query(filter, None, 21).unwrap();
    query.sql().as_str().to_owned()
}

#[tokio::test]
async fn a_quiet_tenants_page_costs_what_its_own_jobs_weigh() {
    let database = TestDb::new().await;
    let mut connection = backlog(&database).await;
    for tenant in [QUIET, BUSY] {
        let filter = JobFilter {
            tenant: Some(tenant.parse().unwrap()),
            ..JobFilter::default()
        };
        let arguments = [tenant; 4].map(|id| format!("'{id}'")).join(", ");
        let types = "uuid, uuid, uuid, uuid";
        let plan = plan(&mut connection, &page(&filter), types, &arguments).await;
        is_bounded(&plan, 500);
        // Any way to the newest jobs is as good for a tenant that has them all.
        let by_tenant = [
            "jobs_tenant_id_idx",
            "job_history_20",
            "dead_jobs_tenant_id_idx",
        ];
        assert!(
            tenant == BUSY || by_tenant.iter().all(|index| plan.contains(index)),
            "{plan}"
        );
    }
}

#[tokio::test]
async fn a_tenants_page_of_one_state_costs_no_more() {
    let database = TestDb::new().await;
    let mut connection = backlog(&database).await;
    for state in [JobState::Ready, JobState::Held, JobState::Running] {
        let filter = JobFilter {
            tenant: Some(QUIET.parse().unwrap()),
            state: Some(state),
            ..JobFilter::default()
        };
        let arguments = format!("'{QUIET}'");
        let plan = plan(&mut connection, &page(&filter), "uuid", &arguments).await;
        is_bounded(&plan, 500);
    }
}

#[tokio::test]
async fn the_newest_of_all_jobs_are_found_at_the_ends_of_the_indexes() {
    let database = TestDb::new().await;
    let mut connection = backlog(&database).await;
    let plan = plan(&mut connection, &page(&JobFilter::default()), "", "").await;
    is_bounded(&plan, 300);
}

#[tokio::test]
async fn heads_of_keys_are_found_by_their_index() {
    let database = TestDb::new().await;
    let mut connection = backlog(&database).await;
    let arguments = "ARRAY['probe', 'probe', 'probe'], ARRAY['key-7', 'key-11', 'key-10']";
    let plan = plan(&mut connection, facts::HEADS, "text[], text[]", arguments).await;
    is_bounded(&plan, 500);
    assert!(plan.contains("jobs_head_key_idx"), "{plan}");
}

#[tokio::test]
async fn the_overview_reads_a_row_of_each_flow_and_what_runs() {
    let database = TestDb::new().await;
    let mut connection = backlog(&database).await;
    let plan_of_oldest = plan(&mut connection, queues::OLDEST, "", "").await;
    // 200 flows, a few pages each.
    is_bounded(&plan_of_oldest, 1500);
    let plan_of_running = plan(&mut connection, queues::RUNNING, "", "").await;
    is_bounded(&plan_of_running, 500);
}

#[tokio::test]
async fn a_tenants_overview_reads_its_own_rows_up_to_a_bound() {
    let database = TestDb::new().await;
    let mut connection = backlog(&database).await;
    for (tenant, most) in [(QUIET, 50), (BUSY, 12_000)] {
        let arguments = format!("'{tenant}', 10000");
        for statement in [tenant_queues::WAITING, tenant_queues::DEAD] {
            let plan = plan(&mut connection, statement, "uuid, bigint", &arguments).await;
            is_bounded(&plan, most);
        }
    }
}

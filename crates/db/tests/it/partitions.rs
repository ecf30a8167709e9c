use std::num::NonZeroU32;

use db::{Db, DbOptions, Dropped, Partitioned};
use sqlx::AssertSqlSafe;
use testkit::TestDb;

/// What a row of each table needs besides its time.
const ROWS: [(Partitioned, &str, &str); 5] = [
    (
        Partitioned::RawItems,
        "received_at, id, channel_kind",
        "gen_random_uuid(), 'webchat'",
    ),
    (
        Partitioned::JobHistory,
        "finished_at, id, kind, lane, outcome, attempt, max_attempts, created_at, payload",
        "1, 'probe', 1, 'done', 1, 3, now(), '{}'",
    ),
    (
        Partitioned::JobAttempts,
        "ended_at, job_id, attempt, outcome",
        "1, 1, 'retry'",
    ),
    (
        Partitioned::WebhookAttempts,
        "attempted_at, id, tenant_id, delivery_id, duration_ms",
        "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1",
    ),
    (
        Partitioned::ModelCalls,
        "started_at, id, tenant_id, purpose, provider, account, model, own_key, is_fallback, \
         outcome, input_tokens, cached_tokens, cache_written_tokens, output_tokens, \
         is_estimated, duration_ms",
        "gen_random_uuid(), gen_random_uuid(), 'answer', 'p', 'p', 'm', false, false, \
         'completed', 1, 0, 0, 1, false, 1",
    ),
];

fn days(days: u32) -> NonZeroU32 {
    NonZeroU32::new(days).unwrap()
}

async fn run(test_db: &TestDb, statement: String) {
    sqlx::query(AssertSqlSafe(statement))
        .execute(test_db.pool())
        .await
        .unwrap();
}

/// Makes the partition of the day that lies so many days back.
async fn add_day(test_db: &TestDb, table: Partitioned, ago: i32) {
    let name = table.table();
    let statement = format!(
        "DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - {ago}; BEGIN
             EXECUTE format('CREATE TABLE {name}_%s PARTITION OF {name} FOR VALUES FROM (%L) TO (%L)',
                 to_char(day, 'YYYYMMDD'), day::timestamp AT TIME ZONE 'UTC',
                 (day + 1)::timestamp AT TIME ZONE 'UTC');
         END $$"
    );
    run(test_db, statement).await;
}

/// Adds rows of a minute after midnight, so many days back.
async fn add_rows(test_db: &TestDb, table: Partitioned, ago: i32, count: i32) {
    let (_, columns, values) = ROWS.into_iter().find(|row| row.0 == table).unwrap();
    let statement = format!(
        "INSERT INTO {} ({columns}) SELECT
             ((now() AT TIME ZONE 'UTC')::date - {ago})::timestamp AT TIME ZONE 'UTC'
                 + interval '1 minute', {values}
         FROM generate_series(1, {count})",
        table.table()
    );
    run(test_db, statement).await;
}

/// How many days back the rows lie, with their numbers.
async fn ages(test_db: &TestDb, table: Partitioned) -> Vec<(i32, i64)> {
    let (_, columns, _) = ROWS.into_iter().find(|row| row.0 == table).unwrap();
    let column = columns.split(',').next().unwrap();
    let statement = format!(
        "SELECT (now() AT TIME ZONE 'UTC')::date - ({column} AT TIME ZONE 'UTC')::date, count(*)
         FROM {} GROUP BY 1 ORDER BY 1",
        table.table()
    );
    sqlx::query_as(AssertSqlSafe(statement))
        .fetch_all(test_db.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn retention_drops_the_days_that_are_too_old_and_no_others() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    for table in Partitioned::ALL {
        for ago in [29, 30, 31, 60] {
            add_day(&test_db, table, ago).await;
            add_rows(&test_db, table, ago, 2).await;
        }
        // Days without a partition of their own: the DEFAULT one took their rows.
        for ago in [28, 32, 90] {
            add_rows(&test_db, table, ago, 3).await;
        }
        add_rows(&test_db, table, 0, 1).await;

        let dropped = db.drop_partitions(table, days(30)).await.unwrap();
        let expected = Dropped {
            days: 2,
            is_rest: false,
        };
        assert_eq!(dropped, expected, "{table:?}");
        let kept = [(0, 1), (28, 3), (29, 2), (30, 2)];
        assert_eq!(ages(&test_db, table).await, kept, "{table:?}");
        let again = db.drop_partitions(table, days(30)).await.unwrap();
        assert_eq!(again, Dropped::default());
        assert_eq!(ages(&test_db, table).await, kept, "{table:?}");
    }
}

#[tokio::test]
async fn a_full_default_partition_is_emptied_of_what_is_old_over_several_rounds() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let table = Partitioned::JobAttempts;
    add_rows(&test_db, table, 40, 25_000).await;
    add_rows(&test_db, table, 3, 7).await;
    let dropped = db.drop_partitions(table, days(30)).await.unwrap();
    assert_eq!(dropped, Dropped::default());
    assert_eq!(ages(&test_db, table).await, [(3, 7)]);
}

#[tokio::test]
async fn a_table_in_use_puts_retention_off_instead_of_waiting_before_everybody() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let table = Partitioned::JobHistory;
    add_day(&test_db, table, 40).await;
    let mut reader = test_db.pool().begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM job_history")
        .execute(&mut *reader)
        .await
        .unwrap();
    let refused = db.drop_partitions(table, days(30)).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused:?}");
    reader.rollback().await.unwrap();
    assert_eq!(db.drop_partitions(table, days(30)).await.unwrap().days, 1);
}

#[tokio::test]
async fn partitions_are_made_ahead_once() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    db.ensure_partitions(7).await.unwrap();
    // Two more days in each table.
    assert_eq!(db.ensure_partitions(9).await.unwrap(), 10);
    assert_eq!(db.ensure_partitions(9).await.unwrap(), 0);
}

//! What the engine's tables keep, and what they do without their partitions.

use std::num::NonZeroU32;

use db::{Db, DbOptions};
use jobs::counters::{Counters, Place};
use jobs::{JobState, retention};
use sqlx::PgPool;
use testkit::TestDb;

use crate::harness::{Bench, Probe, behave};

async fn execute(pool: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(pool).await.unwrap();
}

async fn column<T>(pool: &PgPool, statement: &'static str) -> Vec<T>
where
    T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
    (T,): for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    sqlx::query_scalar(statement).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn jobs_finish_and_fail_where_no_daily_partition_is_there() {
    let bench = Bench::start(behave(|probe, handle, _| async move {
        match (probe.n, handle.job.attempt) {
            (1, _) => Ok(()),
            (_, 1) => Err(jobs::Failure::retry("once")),
            _ => Err(jobs::Failure::dead("never")),
        }
    }))
    .await;
    execute(
        bench.test_db.pool(),
        "DO $$ DECLARE child regclass; BEGIN
             FOR child IN SELECT inhrelid FROM pg_inherits
                 WHERE inhparent IN ('job_history'::regclass, 'job_attempts'::regclass)
                   AND inhrelid::regclass::text !~ '_default$'
             LOOP EXECUTE format('DROP TABLE %s', child); END LOOP;
         END $$",
    )
    .await;
    let done = bench.enqueue(&Probe::new(1)).await;
    let dead = bench.enqueue(&Probe::new(2)).await;
    bench.reach(done, JobState::Done).await;
    bench.reach(dead, JobState::Dead).await;
    let pool = bench.test_db.pool();
    assert_eq!(
        column::<i64>(pool, "SELECT id FROM job_history_default").await,
        [done]
    );
    let attempts = "SELECT outcome FROM job_attempts_default ORDER BY attempt";
    assert_eq!(column::<String>(pool, attempts).await, ["retry", "dead"]);
    // Today's rows are in the DEFAULT partition: the other days are made all the same.
    assert!(bench.db.ensure_partitions(7).await.unwrap() >= 14);
    let next = bench.enqueue(&Probe::new(1)).await;
    bench.reach(next, JobState::Done).await;
    bench.shut_down().await;
}

#[tokio::test]
async fn dead_jobs_go_when_they_are_old_enough_and_their_counters_with_them() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let counters = Counters::install(&db);
    // More than two batches that are old, and two that are not.
    execute(
        test_db.pool(),
        "INSERT INTO dead_jobs (id, died_at, kind, lane, priority, reason, attempt, max_attempts,
                                created_at, payload)
         SELECT n, now() - CASE WHEN n <= 2500 THEN interval '91 days' ELSE interval '89 days' END,
                CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END, 1, 0, 'x', 1, 1, now(), '{}'
         FROM generate_series(1, 2502) AS n",
    )
    .await;
    counters.moved("even", None, Some(Place::Dead), 1251);
    counters.moved("odd", None, Some(Place::Dead), 1251);
    let days = NonZeroU32::new(90).unwrap();
    assert_eq!(retention::delete_dead(&db, days).await.unwrap(), 2500);
    assert_eq!(retention::delete_dead(&db, days).await.unwrap(), 0);
    let left = column::<i64>(test_db.pool(), "SELECT id FROM dead_jobs ORDER BY id").await;
    assert_eq!(left, [2501, 2502]);
    counters.fold(&db, None).await.unwrap();
    let depths = "SELECT jobs FROM job_depths WHERE state = 4 ORDER BY kind";
    assert_eq!(column::<i64>(test_db.pool(), depths).await, [1, 1]);
}

#[tokio::test]
async fn figures_of_minutes_are_kept_for_a_week() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    execute(
        test_db.pool(),
        "INSERT INTO job_minutes (minute, kind, done)
         SELECT date_trunc('minute', now()) - hours * interval '1 hour', 'probe', hours
         FROM unnest(ARRAY[0, 167, 169, 1000]) AS hours",
    )
    .await;
    assert_eq!(retention::delete_minutes(&db).await.unwrap(), 2);
    assert_eq!(retention::delete_minutes(&db).await.unwrap(), 0);
    let left = column::<i64>(test_db.pool(), "SELECT done FROM job_minutes ORDER BY done").await;
    assert_eq!(left, [0, 167]);
}

#[tokio::test]
async fn limits_that_limit_nothing_any_more_go_unless_they_are_in_use() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    execute(
        test_db.pool(),
        "INSERT INTO job_limits (key, rate_per_second, burst, concurrency, paused_until, weight,
                                 running, changed_at, refilled_at)
         SELECT 'test:' || name, rate, burst, concurrency, until, weight, running,
                now() - hours * interval '1 hour',
                now() - CASE name WHEN 'used' THEN 23 ELSE 25 END * interval '1 hour'
         FROM (VALUES
             ('empty', NULL::float8, NULL::int, NULL::int, NULL::timestamptz, NULL::real, 0, 25),
             ('pause over', NULL, NULL, NULL, now() - interval '1 hour', NULL, 0, 25),
             ('fresh', NULL, NULL, NULL, NULL, NULL, 0, 23),
             ('running', NULL, NULL, NULL, NULL, NULL, 1, 25),
             ('rate', 1, 1, NULL, NULL, NULL, 0, 25),
             ('concurrency', NULL, NULL, 1, NULL, NULL, 0, 25),
             ('paused', NULL, NULL, NULL, 'infinity', NULL, 0, 25),
             ('weight', NULL, NULL, NULL, NULL, 2, 0, 25),
             ('used', NULL, NULL, NULL, NULL, NULL, 0, 25),
             ('locked', NULL, NULL, NULL, NULL, NULL, 0, 25)
         ) AS l(name, rate, burst, concurrency, until, weight, running, hours)",
    )
    .await;
    let mut user = test_db.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM job_limits WHERE key = 'test:locked' FOR UPDATE")
        .execute(&mut *user)
        .await
        .unwrap();
    assert_eq!(retention::delete_idle_limits(&db).await.unwrap(), 2);
    user.rollback().await.unwrap();
    let left = "SELECT split_part(key, ':', 2) FROM job_limits ORDER BY id";
    let expected = [
        "fresh",
        "running",
        "rate",
        "concurrency",
        "paused",
        "weight",
        "used",
        "locked",
    ];
    assert_eq!(column::<String>(test_db.pool(), left).await, expected);
    assert_eq!(retention::delete_idle_limits(&db).await.unwrap(), 1);
}

#[tokio::test]
async fn a_pair_that_is_idle_goes_unless_a_job_carries_its_key() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    execute(
        test_db.pool(),
        "INSERT INTO job_limits (key, rate_per_second, burst, changed_at, refilled_at)
         SELECT 'wa-pair:' || n, 0.1, 1, now() - interval '2 days', now() - interval '2 days'
         FROM generate_series(1, 3) AS n",
    )
    .await;
    for (nth, key) in ["wa-pair:1", "wa-pair:2"].into_iter().enumerate() {
        let mut probe = Probe::new(1);
        probe.options.limit_keys[nth] = Some(key.to_owned());
        let mut tx = db.system().await.unwrap();
        jobs::enqueue(&mut tx, &probe).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(retention::delete_idle_limits(&db).await.unwrap(), 1);
    let left = "SELECT key FROM job_limits ORDER BY key";
    let left = column::<String>(test_db.pool(), left).await;
    assert_eq!(left, ["wa-pair:1", "wa-pair:2"]);
    execute(test_db.pool(), "DELETE FROM jobs").await;
    assert_eq!(retention::delete_idle_limits(&db).await.unwrap(), 2);
}

//! Counters, folded into the tables and set right by counting.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, DbOptions};
use jobs::counters::{
    self, Counters, Event, KindCount, Place, ProcessLoad, Reconciled, depths, reconcile,
};
use sqlx::PgPool;
use testkit::TestDb;
use tokio_util::sync::CancellationToken;

async fn connect(test_db: &TestDb) -> (Db, Arc<Counters>) {
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    let counters = Counters::install(&db);
    (db, counters)
}

async fn depth(db: &Db, kind: &str) -> Option<KindCount> {
    let mut tx = db.system().await.unwrap();
    let depths = depths(&mut tx).await.unwrap();
    depths.into_iter().find(|depth| depth.kind == kind)
}

fn depth_of(kind: &str, ready: i64, running: i64, dead: i64) -> KindCount {
    KindCount {
        kind: kind.to_owned(),
        ready,
        scheduled: 0,
        held: 0,
        running,
        dead,
    }
}

/// Rows of `jobs`, past every rule.
async fn add_jobs(pool: &PgPool, kind: &str, state: i16, count: i32) {
    sqlx::query(
        "INSERT INTO jobs (kind, lane, state, max_attempts, payload, ordering_key, ordering_seq)
         SELECT $1, 1, $2, 3, '{}', CASE WHEN $2 = 2 THEN 'key' END, CASE WHEN $2 = 2 THEN 1 END
         FROM generate_series(1, $3)",
    )
    .bind(kind)
    .bind(state)
    .bind(count)
    .execute(pool)
    .await
    .unwrap();
}

/// A kind and its sums over all minutes.
type Sums = (String, i64, i64, i64, i64, i64, i64, i64, i64);

#[tokio::test]
async fn what_two_processes_noted_adds_up() {
    let test_db = TestDb::new().await;
    let (one_db, one) = connect(&test_db).await;
    let (other_db, other) = connect(&test_db).await;
    one.moved("a", None, Some(Place::Ready), 5);
    one.event("a", Event::Enqueued, 5);
    one.moved("b", None, Some(Place::Ready), 1);
    other.moved("a", Some(Place::Ready), Some(Place::Running), 2);
    other.moved("a", Some(Place::Running), None, 1);
    other.moved("a", Some(Place::Running), Some(Place::Dead), 1);
    let ms = Duration::from_millis;
    other.event("a", Event::Started { wait: ms(30) }, 2);
    other.event("a", Event::Done { run: ms(100) }, 1);
    other.event("a", Event::Failed { run: ms(50) }, 1);
    other.event("a", Event::Dead, 1);
    other.event("b", Event::Cancelled { run: ms(7) }, 1);
    // The one that took jobs folds before the one that made them.
    other.fold(&other_db, None).await.unwrap();
    assert_eq!(depth(&one_db, "a").await, Some(depth_of("a", 0, 0, 1)));
    one.fold(&one_db, None).await.unwrap();
    // Nothing new: nothing is counted twice.
    one.fold(&one_db, None).await.unwrap();
    assert_eq!(depth(&one_db, "a").await, Some(depth_of("a", 3, 0, 1)));
    assert_eq!(depth(&one_db, "b").await, Some(depth_of("b", 1, 0, 0)));
    let sums: Vec<Sums> = sqlx::query_as(
        "SELECT kind, sum(enqueued)::bigint, sum(started)::bigint, sum(done)::bigint,
                sum(failed)::bigint, sum(cancelled)::bigint, sum(dead)::bigint,
                sum(wait_ms)::bigint, sum(run_ms)::bigint
         FROM job_minutes WHERE minute = date_trunc('minute', minute) GROUP BY kind ORDER BY kind",
    )
    .fetch_all(test_db.pool())
    .await
    .unwrap();
    let expected = [
        ("a".to_owned(), 5, 2, 1, 1, 0, 1, 30, 150),
        ("b".to_owned(), 0, 0, 0, 0, 1, 0, 0, 7),
    ];
    assert_eq!(sums, expected);
}

#[tokio::test]
async fn processes_that_fold_many_kinds_at_once_do_not_block_each_other() {
    let test_db = TestDb::new().await;
    let processes = [
        connect(&test_db).await,
        connect(&test_db).await,
        connect(&test_db).await,
    ];
    let folding = processes
        .iter()
        .enumerate()
        .map(|(nth, (db, counters))| async move {
            for round in 0..30 {
                // Each in an order of its own.
                for step in 0..40 {
                    let kind = (step * (nth * 2 + 1) + round) % 40;
                    counters.moved(&format!("kind-{kind}"), None, Some(Place::Ready), 1);
                    counters.event(&format!("kind-{kind}"), Event::Enqueued, 1);
                }
                counters.fold(db, None).await.unwrap();
            }
        });
    futures::future::join_all(folding).await;
    let total: i64 = sqlx::query_scalar("SELECT sum(jobs)::bigint FROM job_depths")
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert_eq!(total, 3 * 30 * 40);
}

#[tokio::test]
async fn a_fold_that_fails_keeps_what_it_took() {
    let test_db = TestDb::new().await;
    let (db, counters) = connect(&test_db).await;
    counters.moved("a", None, Some(Place::Held), 4);
    for table in ["job_depths", "job_minutes"] {
        counters.event("a", Event::Enqueued, 2);
        rename(test_db.pool(), table, "gone").await;
        assert!(counters.fold(&db, None).await.is_err());
        rename(test_db.pool(), "gone", table).await;
        counters.moved("a", Some(Place::Held), Some(Place::Ready), 1);
    }
    // A fold that is dropped half-way keeps its part as well.
    let mut locked = test_db.pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE job_depths")
        .execute(&mut *locked)
        .await
        .unwrap();
    let waiting = counters.fold(&db, None);
    let waited = tokio::time::timeout(Duration::from_millis(300), waiting).await;
    assert!(waited.is_err());
    let backends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE wait_event_type = 'Lock' AND datname = current_database()";
    sqlx::query(backends).execute(test_db.pool()).await.unwrap();
    locked.rollback().await.unwrap();
    counters.fold(&db, None).await.unwrap();
    let found = depth(&db, "a").await.unwrap();
    assert_eq!((found.held, found.ready), (2, 2));
    let enqueued: i64 = sqlx::query_scalar("SELECT sum(enqueued)::bigint FROM job_minutes")
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert_eq!(enqueued, 4);
}

async fn rename(pool: &PgPool, from: &str, to: &str) {
    let statement = format!("ALTER TABLE {from} RENAME TO {to}");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn counting_mends_what_a_crash_lost() {
    let test_db = TestDb::new().await;
    let (db, counters) = connect(&test_db).await;
    for (kind, state, count) in [("a", 0, 7), ("a", 1, 2), ("b", 2, 3)] {
        add_jobs(test_db.pool(), kind, state, count).await;
    }
    sqlx::query(
        "INSERT INTO dead_jobs (id, kind, lane, priority, reason, attempt, max_attempts,
                                created_at, payload)
         VALUES (1, 'b', 1, 0, 'x', 1, 1, now(), '{}')",
    )
    .execute(test_db.pool())
    .await
    .unwrap();
    // Wrong, right, and left over from jobs that are gone.
    counters.moved("a", None, Some(Place::Ready), 99);
    counters.moved("a", None, Some(Place::Scheduled), 2);
    counters.moved("c", None, Some(Place::Running), 5);
    counters.fold(&db, None).await.unwrap();
    assert_eq!(reconcile(&db).await.unwrap(), Reconciled::Mended(4));
    let mut a = depth_of("a", 7, 0, 0);
    a.scheduled = 2;
    let mut b = depth_of("b", 0, 0, 1);
    b.held = 3;
    assert_eq!(depth(&db, "a").await, Some(a));
    assert_eq!(depth(&db, "b").await, Some(b));
    assert_eq!(depth(&db, "c").await, Some(depth_of("c", 0, 0, 0)));
    assert_eq!(reconcile(&db).await.unwrap(), Reconciled::Mended(0));
}

#[tokio::test]
async fn no_fold_comes_between_a_count_and_its_figures() {
    let test_db = TestDb::new().await;
    let (db, counters) = connect(&test_db).await;
    let stop = CancellationToken::new();
    // Jobs come and are folded all the time, while counts set the figures anew.
    let enqueueing = async {
        for _ in 0..200 {
            add_jobs(test_db.pool(), "a", 0, 3).await;
            counters.moved("a", None, Some(Place::Ready), 3);
            counters.fold(&db, None).await.unwrap();
        }
        stop.cancel();
    };
    let counting = async {
        let mut counts = 0;
        while !stop.is_cancelled() {
            // One that does not get its lock in time is tried again, as the next minute would.
            counts += u32::from(reconcile(&db).await.is_ok());
        }
        counts
    };
    let ((), counts) = tokio::join!(enqueueing, counting);
    assert!(counts > 5, "{counts}");
    // Off by no more than what was noted and not folded when the last count was made.
    let found = depth(&db, "a").await.unwrap().ready;
    assert!((600..=603).contains(&found), "{found}");
    reconcile(&db).await.unwrap();
    assert_eq!(depth(&db, "a").await, Some(depth_of("a", 600, 0, 0)));
}

#[tokio::test]
async fn a_big_table_is_never_counted() {
    let test_db = TestDb::new().await;
    let (db, counters) = connect(&test_db).await;
    counters.moved("a", None, Some(Place::Ready), 1);
    counters.fold(&db, None).await.unwrap();
    add_jobs(test_db.pool(), "a", 0, 1000).await;
    sqlx::query("ANALYZE jobs")
        .execute(test_db.pool())
        .await
        .unwrap();
    // Nobody has analysed the table since: the planner goes by the size of the file.
    add_jobs(test_db.pool(), "a", 0, 150_000).await;
    assert_eq!(reconcile(&db).await.unwrap(), Reconciled::TooMany);
    assert_eq!(depth(&db, "a").await, Some(depth_of("a", 1, 0, 0)));
}

#[tokio::test]
async fn a_worker_sets_the_depths_right_when_it_starts_and_folds_once_more_at_its_end() {
    let test_db = TestDb::new().await;
    let (db, counters) = connect(&test_db).await;
    add_jobs(test_db.pool(), "a", 0, 2).await;
    let session: i64 = sqlx::query_scalar(
        "INSERT INTO worker_sessions (host, process_id, kinds) VALUES ('h', 1, '{a}') RETURNING id",
    )
    .fetch_one(test_db.pool())
    .await
    .unwrap();
    let load = ProcessLoad {
        interactive_slots: 64,
        interactive_busy: 3,
        answers_slots: 32,
        answers_busy: 2,
        bulk_slots: 16,
        bulk_busy: 1,
    };
    let stop = CancellationToken::new();
    let (run_db, run_counters) = (db.clone(), Arc::clone(&counters));
    let running = counters::run(
        run_db,
        run_counters,
        Some(session),
        move || load,
        stop.clone(),
    );
    let running = tokio::spawn(running);
    while depth(&db, "a").await.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    counters.moved("a", Some(Place::Ready), None, 1);
    stop.cancel();
    running.await.unwrap();
    assert_eq!(depth(&db, "a").await, Some(depth_of("a", 1, 0, 0)));
    let noted: (i32, i32, i32, i32, i32, i32) = sqlx::query_as(
        "SELECT interactive_slots, interactive_busy, answers_slots, answers_busy, bulk_slots,
                bulk_busy
         FROM worker_sessions",
    )
    .fetch_one(test_db.pool())
    .await
    .unwrap();
    assert_eq!(noted, (64, 3, 32, 2, 16, 1));
}

//! What becomes of a transaction that is given up while it begins, as by a timeout, or whose
//! connection is dead.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use db::{Db, DbOptions};
use testkit::TestDb;

#[tokio::test]
async fn a_begin_that_is_dropped_leaves_no_transaction_open() {
    let test_db = TestDb::new().await;
    let options = DbOptions {
        max_connections: 1,
        ..DbOptions::new(test_db.url())
    };
    let db = Db::connect_lazy(&options).unwrap();
    sqlx::raw_sql("CREATE TABLE kept (n integer)")
        .execute(test_db.pool())
        .await
        .unwrap();
    db.begin().await.unwrap().rollback().await.unwrap();
    // Dropped at every point on its way: before, while and after the server is asked.
    for n in 0..60 {
        {
            let mut begin = pin!(db.begin());
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..n {
                if begin.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        sqlx::query("INSERT INTO kept VALUES ($1)")
            .bind(n)
            .execute(db.pool())
            .await
            .unwrap();
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM kept")
            .fetch_one(test_db.pool())
            .await
            .unwrap();
        assert_eq!(kept, i64::from(n) + 1, "dropped after {n} polls");
    }
}

#[tokio::test]
async fn a_transaction_begins_although_somebody_ended_the_connections_that_were_there() {
    let test_db = TestDb::new().await;
    let options = DbOptions {
        max_connections: 3,
        ..DbOptions::new(test_db.url())
    };
    let db = Db::connect_lazy(&options).unwrap();
    for _ in 0..20 {
        let (one, two, three) = tokio::join!(db.begin(), db.begin(), db.begin());
        for open in [one, two, three] {
            open.unwrap().rollback().await.unwrap();
        }
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'metachat'",
        )
        .execute(test_db.pool())
        .await
        .unwrap();
        // Just used: nobody tests them before they are taken.
        let tx = db.begin().await.unwrap();
        tx.rollback().await.unwrap();
    }
}

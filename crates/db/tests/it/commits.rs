//! What happens in the process once a transaction is committed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use db::{Db, DbOptions, Tx};
use domain::TenantId;
use futures::FutureExt as _;
use testkit::TestDb;

type Log = Arc<Mutex<Vec<&'static str>>>;

async fn database() -> (TestDb, Db) {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    (test_db, db)
}

fn note(tx: &mut impl Tx, log: &Log, word: &'static str) {
    let log = Arc::clone(log);
    tx.after_commit(Box::new(move || log.lock().unwrap().push(word)));
}

#[tokio::test]
async fn hooks_run_in_order_once_their_transaction_is_committed() {
    let (_test_db, db) = database().await;
    let log = Log::default();
    let mut tx = db.system().await.unwrap();
    note(&mut tx, &log, "first");
    note(&mut tx, &log, "second");
    assert!(log.lock().unwrap().is_empty());
    tx.commit().await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["first", "second"]);
    let mut tx = db.tenant(TenantId::new()).await.unwrap();
    note(&mut tx, &log, "third");
    tx.commit().await.unwrap();
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn hooks_of_a_commit_that_nobody_waits_for_any_more_run_all_the_same() {
    let (_test_db, db) = database().await;
    let (told, hears) = tokio::sync::oneshot::channel();
    let mut tx = db.system().await.unwrap();
    tx.after_commit(Box::new(move || told.send(()).unwrap()));
    assert!(tx.commit().now_or_never().is_none());
    tokio::time::timeout(Duration::from_secs(10), hears)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn hooks_of_a_transaction_that_is_rolled_back_never_run() {
    let (_test_db, db) = database().await;
    let log = Log::default();
    let mut tx = db.system().await.unwrap();
    note(&mut tx, &log, "dropped");
    drop(tx);
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn hooks_of_a_refused_commit_never_run() {
    let (test_db, db) = database().await;
    for statement in [
        "CREATE TABLE late (id integer, CONSTRAINT late_id_key UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)",
        "GRANT INSERT ON late TO metachat_system",
    ] {
        sqlx::query(statement)
            .execute(test_db.pool())
            .await
            .unwrap();
    }
    let log = Log::default();
    let mut tx = db.system().await.unwrap();
    note(&mut tx, &log, "refused");
    sqlx::query("INSERT INTO late VALUES (1), (1)")
        .execute(tx.conn())
        .await
        .unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(error.violates("late_id_key"), "{error:?}");
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_kept_beside_a_database_is_found_from_its_transactions() {
    let (_test_db, db) = database().await;
    let (_other_test_db, other) = database().await;
    let kept = db.extensions().get_or_insert(String::from("kept"));
    let clone = db.clone();
    let tx = clone.system().await.unwrap();
    let found = tx.extensions().get::<String>().unwrap();
    assert!(Arc::ptr_eq(&kept, &found));
    assert_eq!(other.extensions().get::<String>(), None);
}

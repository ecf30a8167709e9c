use db::{Db, DbOptions};
use testkit::TestDb;

/// Adds rows, and has the server count them at once.
async fn add_keys(test_db: &TestDb, prefix: &str, rows: i32) -> sqlx::Result<()> {
    let mut connection = test_db.pool().acquire().await?;
    let add = "INSERT INTO job_keys (kind, key, last_seq)
               SELECT 'probe', $1 || n, 1 FROM generate_series(1, $2) AS n";
    sqlx::query(add)
        .bind(prefix)
        .bind(rows)
        .execute(&mut *connection)
        .await?;
    sqlx::query("SELECT pg_stat_force_next_flush()")
        .execute(&mut *connection)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_small_table_that_has_doubled_is_analyzed() {
    let test_db = TestDb::new().await;
    let db = Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap();
    // Whatever the migrations left behind.
    db.analyze_young_tables().await.unwrap();
    add_keys(&test_db, "few", 40).await.unwrap();
    assert_eq!(db.analyze_young_tables().await.unwrap(), 0, "too few");
    add_keys(&test_db, "more", 40).await.unwrap();
    assert_eq!(db.analyze_young_tables().await.unwrap(), 1);
    let known = "SELECT reltuples::float8 FROM pg_class WHERE relname = 'job_keys'";
    let known: f64 = sqlx::query_scalar(known)
        .fetch_one(test_db.pool())
        .await
        .unwrap();
    assert!((known - 80.0).abs() < 0.5, "{known}");
    add_keys(&test_db, "again", 100).await.unwrap();
    assert_eq!(db.analyze_young_tables().await.unwrap(), 0, "not doubled");
    add_keys(&test_db, "twice", 100).await.unwrap();
    assert_eq!(db.analyze_young_tables().await.unwrap(), 1);
}

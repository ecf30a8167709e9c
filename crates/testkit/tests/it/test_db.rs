use sqlx::AssertSqlSafe;
use testkit::TestDb;

async fn count_tenants(database: &TestDb) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tenants")
        .fetch_one(database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, two) = tokio::join!(TestDb::new(), TestDb::new());
    sqlx::query("INSERT INTO tenants (id, name) VALUES (uuidv7(), 'one')")
        .execute(one.pool())
        .await
        .unwrap();
    assert_eq!(count_tenants(&one).await, 1);
    assert_eq!(count_tenants(&two).await, 0);
}

#[tokio::test]
async fn a_database_goes_once_its_process_has_ended() {
    let living = TestDb::new().await;
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    let process = ended.id();
    ended.wait().unwrap();
    let left_behind = format!("metachat_test_{process}_left_behind");
    let create = format!("CREATE DATABASE {left_behind}");
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(living.pool())
        .await
        .unwrap();
    // Each one clears up a few; other tests' may come first.
    for _ in 0..200 {
        TestDb::new().await;
        if !exists(&living, &left_behind).await {
            assert_eq!(count_tenants(&living).await, 0, "the living one stays");
            return;
        }
    }
    panic!("{left_behind} is still there");
}

async fn exists(database: &TestDb, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(database.pool())
        .await
        .unwrap()
}

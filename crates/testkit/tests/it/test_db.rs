use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection};
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
async fn a_database_goes_with_its_test_though_somebody_is_connected() {
    let database = TestDb::new().await;
    let url = database.url().to_owned();
    let connected = PgConnection::connect(&url).await.unwrap();
    drop(database);
    let error = PgConnection::connect(&url).await.unwrap_err();
    let code = error.as_database_error().and_then(DatabaseError::code);
    assert_eq!(code.as_deref(), Some("3D000"), "{error}");
    drop(connected);
}

use db::{Db, DbOptions, Tx};
use domain::TenantId;
use testkit::TestDb;

async fn connect(test_db: &TestDb) -> Db {
    Db::connect_lazy(&DbOptions::new(test_db.url())).unwrap()
}

async fn add_tenant(db: &Db, name: &str) -> TenantId {
    let id = TenantId::new();
    let mut tx = db.system().await.unwrap();
    sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, $2)")
        .bind(id.as_uuid())
        .bind(name)
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}

async fn names(tx: &mut impl Tx) -> Vec<String> {
    sqlx::query_scalar("SELECT name FROM tenants ORDER BY name")
        .fetch_all(tx.conn())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_tenant_meets_only_its_own_rows_whatever_the_statement_says() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    let alice = add_tenant(&db, "alice").await;
    add_tenant(&db, "bob").await;
    let mut tx = db.tenant(alice).await.unwrap();
    assert_eq!(names(&mut tx).await, ["alice"]);
    let changed = sqlx::query("UPDATE tenants SET name = 'mine' WHERE name = 'bob'")
        .execute(tx.conn())
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 0);
    let intruding = sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, 'eve')")
        .bind(TenantId::new().as_uuid())
        .execute(tx.conn())
        .await;
    assert!(intruding.is_err());
    drop(tx);
    let mut tx = db.system().await.unwrap();
    assert_eq!(names(&mut tx).await, ["alice", "bob"]);
}

#[tokio::test]
async fn the_role_and_the_tenant_end_with_the_transaction() {
    let test_db = TestDb::new().await;
    let mut options = DbOptions::new(test_db.url());
    options.max_connections = 1;
    let db = Db::connect_lazy(&options).unwrap();
    let alice = add_tenant(&db, "alice").await;
    let tx = db.tenant(alice).await.unwrap();
    tx.commit().await.unwrap();
    let (role, tenant): (String, Option<String>) = sqlx::query_as(
        "SELECT current_user::text, nullif(current_setting('metachat.tenant_id', true), '')",
    )
    .fetch_one(db.pool())
    .await
    .unwrap();
    assert_ne!(role, "metachat_app");
    assert_eq!(tenant, None);
}

#[tokio::test]
async fn every_table_with_a_tenant_is_under_forced_row_level_security() {
    let test_db = TestDb::new().await;
    // The engine's tables stand outside on purpose; partitions are reached through their parents.
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relnamespace = 'public'::regnamespace
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
         ORDER BY 1",
    )
    .fetch_all(test_db.pool())
    .await
    .unwrap();
    assert_eq!(open, ["dead_jobs", "job_history", "jobs"]);
}

#[tokio::test]
async fn the_roles_cannot_reach_partitions_past_their_parents_policies() {
    let test_db = TestDb::new().await;
    let reachable: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relispartition AND c.relkind = 'r'
           AND (has_table_privilege('metachat_app', c.oid, 'SELECT')
                OR has_table_privilege('metachat_system', c.oid, 'SELECT'))",
    )
    .fetch_all(test_db.pool())
    .await
    .unwrap();
    assert_eq!(reachable, [""; 0]);
}

#[tokio::test]
async fn a_superusers_address_is_bound_by_the_same_roles() {
    let test_db = TestDb::new().await;
    let superuser: bool =
        sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            .fetch_one(test_db.pool())
            .await
            .unwrap();
    assert!(superuser, "or this test shows nothing");
    connect(&test_db).await.check().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_behind_is_told_with_the_command_that_mends_it() {
    let test_db = TestDb::new().await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1")
        .execute(test_db.pool())
        .await
        .unwrap();
    let error = connect(&test_db)
        .await
        .check()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("metachat migrate"), "{error}");
}

#[tokio::test]
async fn partitions_are_made_ahead_once() {
    let test_db = TestDb::new().await;
    let db = connect(&test_db).await;
    assert_eq!(
        db.ensure_partitions(7).await.unwrap(),
        0,
        "the migrations made a week"
    );
    assert_eq!(
        db.ensure_partitions(9).await.unwrap(),
        10,
        "two days of five tables"
    );
    assert_eq!(db.ensure_partitions(9).await.unwrap(), 0);
}

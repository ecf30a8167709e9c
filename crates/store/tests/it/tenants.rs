use chrono::{TimeDelta, Utc};
use domain::{ApiKeyId, TenantId};
use store::api_keys::{self, NewApiKey};
use store::tenants;

use crate::world::{World, values};

#[tokio::test]
async fn a_transaction_meets_its_own_tenant_alone() {
    let world = World::new().await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    assert_eq!(tenants::get(&mut tx).await.unwrap().name, "One");
    tenants::update(&mut tx, &values("Renamed")).await.unwrap();
    let seen: Vec<String> = sqlx::query_scalar("SELECT name FROM tenants")
        .fetch_all(db::Tx::conn(&mut tx))
        .await
        .unwrap();
    assert_eq!(seen, ["Renamed"]);
    let foreign = sqlx::query("UPDATE tenants SET name = 'Mine' WHERE id = $1")
        .bind(world.other.as_uuid())
        .execute(db::Tx::conn(&mut tx))
        .await
        .unwrap();
    assert_eq!(foreign.rows_affected(), 0);
    let mut nobody = world.db.tenant(TenantId::new()).await.unwrap();
    assert!(!tenants::exists(&mut nobody).await.unwrap());
    assert!(matches!(
        tenants::get(&mut nobody).await,
        Err(store::Error::NotFound)
    ));
}

#[tokio::test]
async fn a_key_is_its_tenants_and_found_until_it_is_revoked() {
    let world = World::new().await;
    let now = chrono::DateTime::<Utc>::UNIX_EPOCH;
    let new = NewApiKey {
        id: ApiKeyId::new(),
        name: "Key",
        prefix: "mck_00000000",
        hash: &[7; 32],
        expires_at: None,
    };
    let mut tx = world.db.tenant(world.one).await.unwrap();
    api_keys::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    assert!(
        api_keys::list(&mut foreign, None, 10)
            .await
            .unwrap()
            .data
            .is_empty()
    );
    assert!(!api_keys::revoke(&mut foreign, new.id, now).await.unwrap());
    let mut system = world.db.system().await.unwrap();
    let owner = api_keys::find_owner(&mut system, &[7; 32])
        .await
        .unwrap()
        .unwrap();
    assert_eq!((owner.id, owner.tenant), (new.id, Some(world.one)));
    for (later, kept) in [(0, 0), (59, 0), (60, 60)] {
        api_keys::touch(&mut system, new.id, now + TimeDelta::seconds(later))
            .await
            .unwrap();
        let used: chrono::DateTime<Utc> = sqlx::query_scalar("SELECT last_used_at FROM api_keys")
            .fetch_one(db::Tx::conn(&mut system))
            .await
            .unwrap();
        assert_eq!(used, now + TimeDelta::seconds(kept));
    }
    system.commit().await.unwrap();
    let mut tx = world.db.tenant(world.one).await.unwrap();
    assert!(api_keys::revoke(&mut tx, new.id, now).await.unwrap());
    tx.commit().await.unwrap();
    let mut system = world.db.system().await.unwrap();
    assert_eq!(
        api_keys::find_owner(&mut system, &[7; 32]).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_deleted_tenant_takes_its_waiting_jobs_along() {
    let world = World::new().await;
    for (tenant, state, seq) in [
        (world.one, 0_i16, 1_i64),
        (world.one, 2, 2),
        (world.other, 0, 1),
    ] {
        sqlx::query(
            "WITH key AS (
                 INSERT INTO job_keys AS k (kind, key, last_seq) VALUES ('send-reply', $2, 1)
                 ON CONFLICT (kind, key) DO UPDATE SET last_seq = 2
             )
             INSERT INTO jobs (kind, lane, state, max_attempts, tenant_id, payload, ordering_key,
                               ordering_seq)
             VALUES ('send-reply', 0, $3, 1, $1, '{}', $2, $4), ('ingest', 1, 0, 1, $1, '{}', NULL, NULL)",
        )
        .bind(tenant.as_uuid())
        .bind(tenant.to_string())
        .bind(state)
        .bind(seq)
        .execute(world.database.pool())
        .await
        .unwrap();
    }
    let mut tx = world.db.system().await.unwrap();
    assert!(tenants::delete(&mut tx, world.one).await.unwrap());
    assert!(!tenants::delete(&mut tx, world.one).await.unwrap());
    tx.commit().await.unwrap();
    let left: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT tenant_id FROM jobs")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    assert_eq!(left, [world.other.as_uuid(); 2]);
    let keys: Vec<String> = sqlx::query_scalar("SELECT key FROM job_keys")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    assert_eq!(keys, [world.other.to_string()]);
}

//! Vectors by their text, each tenant's apart.

use chrono::{Days, NaiveDate};
use domain::{Clock, TenantId};
use store::embedding_cache::{self, TextHash};

use crate::world::World;

const MODEL: &str = "openai/m/2";

fn hash(of: u8) -> TextHash {
    [of; 32]
}

async fn keep(world: &World, tenant: TenantId, model: &str, vectors: &[(u8, [f32; 2])]) {
    let vectors: Vec<_> = vectors
        .iter()
        .map(|(of, vector)| (hash(*of), vector.to_vec()))
        .collect();
    let mut tx = world.db.tenant(tenant).await.unwrap();
    embedding_cache::insert_many(&mut tx, model, &vectors)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn find(world: &World, tenant: TenantId, model: &str, texts: &[u8]) -> Vec<(u8, Vec<f32>)> {
    let hashes: Vec<_> = texts.iter().map(|of| hash(*of)).collect();
    let mut tx = world.db.tenant(tenant).await.unwrap();
    let found = embedding_cache::find_many(&mut tx, model, &hashes).await;
    tx.commit().await.unwrap();
    let found = found.unwrap().into_iter();
    let mut found: Vec<_> = found.map(|(hash, vector)| (hash[0], vector)).collect();
    found.sort_by_key(|(of, _)| *of);
    found
}

#[tokio::test]
async fn a_vector_is_found_by_its_text_and_its_model() {
    let world = World::new().await;
    keep(
        &world,
        world.one,
        MODEL,
        &[(1, [1.0, 0.0]), (2, [0.0, 1.0])],
    )
    .await;
    // What is there stays, and what is not is added.
    keep(
        &world,
        world.one,
        MODEL,
        &[(2, [9.0, 9.0]), (3, [0.5, 0.5])],
    )
    .await;
    let found = find(&world, world.one, MODEL, &[2, 3, 4]).await;
    assert_eq!(found, [(2, vec![0.0, 1.0]), (3, vec![0.5, 0.5])]);
    assert_eq!(find(&world, world.one, "openai/other/2", &[1]).await, []);
}

#[tokio::test]
async fn a_tenants_vectors_are_its_own() {
    let world = World::new().await;
    keep(&world, world.one, MODEL, &[(1, [1.0, 0.0])]).await;
    assert_eq!(find(&world, world.other, MODEL, &[1]).await, []);
    keep(&world, world.other, MODEL, &[(1, [0.0, 1.0])]).await;
    let found = find(&world, world.one, MODEL, &[1]).await;
    assert_eq!(found, [(1, vec![1.0, 0.0])]);
    let found = find(&world, world.other, MODEL, &[1]).await;
    assert_eq!(found, [(1, vec![0.0, 1.0])]);
}

#[tokio::test]
async fn what_is_used_stays_and_what_is_not_goes() {
    let world = World::new().await;
    keep(
        &world,
        world.one,
        MODEL,
        &[(1, [1.0, 0.0]), (2, [0.0, 1.0])],
    )
    .await;
    keep(&world, world.other, MODEL, &[(3, [1.0, 1.0])]).await;
    sqlx::query("UPDATE embedding_cache SET last_used_on = '2026-01-01'")
        .execute(world.database.pool())
        .await
        .unwrap();
    find(&world, world.one, MODEL, &[2]).await;
    let mut tx = world.db.system().await.unwrap();
    let before = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let deleted = embedding_cache::delete_unused(&mut tx, before).await;
    assert_eq!(deleted.unwrap(), 0);
    let deleted = embedding_cache::delete_unused(&mut tx, yesterday()).await;
    assert_eq!(deleted.unwrap(), 2);
    tx.commit().await.unwrap();
    assert!(!embedding_cache::is_more(2));
    let found = find(&world, world.one, MODEL, &[1, 2]).await;
    assert_eq!(found, [(2, vec![0.0, 1.0])]);
    assert_eq!(find(&world, world.other, MODEL, &[3]).await, []);
}

/// What was used just now is not older, whatever the time of day.
fn yesterday() -> NaiveDate {
    Clock::system().now().date_naive() - Days::new(1)
}

#[tokio::test]
async fn the_cache_goes_with_its_tenant() {
    let world = World::new().await;
    keep(&world, world.one, MODEL, &[(1, [1.0, 0.0])]).await;
    let mut tx = world.db.system().await.unwrap();
    store::tenants::delete(&mut tx, world.one).await.unwrap();
    tx.commit().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM embedding_cache")
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    assert_eq!(left, 0);
}

//! Vectors in sets: exact or by their index, and the change from one model to another.

use std::borrow::Cow;

use domain::DocumentId;
use sqlx::AssertSqlSafe;
use store::chunk_embeddings;
use store::embedding_sets::{self, EmbeddingSet, IndexStatus, Maker, SetStatus};
use store::search::{self, Found, VectorQuery};

use crate::world::{MAKER, World, add_tenant, embed};

const OTHER: Maker<'static> = Maker {
    provider: "test",
    model: "other-3",
    dimensions: 3,
    embedder: Cow::Borrowed("test/other-3/3"),
    base_url: None,
};

async fn nearest(world: &World, set: &EmbeddingSet, embedding: &[f32], least: f64) -> Vec<Found> {
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    search::set_limits(&mut tx).await.unwrap();
    let query = VectorQuery {
        embedding,
        min_similarity: least,
        documents: None,
        limit: 10,
    };
    search::by_vector(&mut tx, set, &query).await.unwrap()
}

#[tokio::test]
async fn a_question_of_another_dimension_finds_nothing() {
    let world = World::new().await;
    world
        .add(world.tenant, "Returns take thirty days.", [1.0, 0.0, 0.0])
        .await;
    let set = world.live_set().await.unwrap();
    assert!(nearest(&world, &set, &[1.0, 0.0], -1.0).await.is_empty());
    assert_eq!(nearest(&world, &set, &[1.0, 0.0, 0.0], 0.5).await.len(), 1);
    assert!(
        nearest(&world, &set, &[0.0, 1.0, 0.0], 0.5)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_changed_model_takes_over_at_once_when_it_has_everything() {
    let world = World::new().await;
    let one = world
        .add(world.tenant, "Returns take thirty days.", [1.0, 0.0, 0.0])
        .await;
    let two = world
        .add(world.tenant, "Parcels come by bicycle.", [0.0, 1.0, 0.0])
        .await;
    let old = world.live_set().await.unwrap();
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    assert!(
        embedding_sets::begin_building(&mut tx, &MAKER)
            .await
            .unwrap()
            .is_none()
    );
    let building = embedding_sets::begin_building(&mut tx, &OTHER)
        .await
        .unwrap()
        .unwrap();
    assert!(
        embedding_sets::begin_building(&mut tx, &OTHER)
            .await
            .unwrap()
            .is_none()
    );
    embed(&mut tx, &building, one, 1, [0.0, 0.0, 1.0]).await;
    assert!(!embedding_sets::switch_set(&mut tx).await.unwrap());
    tx.commit().await.unwrap();
    // Searches still read the old set, whole.
    assert_eq!(world.live_set().await.unwrap().id, old.id);
    assert_eq!(nearest(&world, &old, &[1.0, 0.0, 0.0], 0.9).await.len(), 1);

    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    embed(&mut tx, &building, two, 1, [0.0, 0.0, 1.0]).await;
    assert!(embedding_sets::switch_set(&mut tx).await.unwrap());
    tx.commit().await.unwrap();
    let live = world.live_set().await.unwrap();
    assert_eq!((live.id, live.status), (building.id, SetStatus::Live));
    assert_eq!(nearest(&world, &live, &[0.0, 0.0, 1.0], 0.9).await.len(), 2);

    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    assert_eq!(embedding_sets::delete_retired(&mut tx, 1).await.unwrap(), 1);
    assert_eq!(
        embedding_sets::delete_retired(&mut tx, 10).await.unwrap(),
        1
    );
    assert_eq!(
        embedding_sets::delete_retired(&mut tx, 10).await.unwrap(),
        0
    );
    tx.commit().await.unwrap();
    let sets: i64 = sqlx::query_scalar("SELECT count(*) FROM embedding_sets")
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    assert_eq!(sets, 1);
}

#[tokio::test]
async fn a_model_that_is_changed_back_leaves_nothing_being_built() {
    let world = World::new().await;
    world
        .add(world.tenant, "Returns take thirty days.", [1.0, 0.0, 0.0])
        .await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    embedding_sets::begin_building(&mut tx, &OTHER)
        .await
        .unwrap()
        .unwrap();
    assert!(
        embedding_sets::begin_building(&mut tx, &MAKER)
            .await
            .unwrap()
            .is_none()
    );
    let active = embedding_sets::list_active(&mut tx).await.unwrap();
    assert_eq!(active.len(), 1);
    assert!(active[0].is_by(&MAKER));
}

#[tokio::test]
async fn a_version_that_goes_live_while_a_set_is_switched_is_in_one_of_them() {
    let world = World::new().await;
    let one = world
        .add(world.tenant, "Returns take thirty days.", [1.0, 0.0, 0.0])
        .await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let building = embedding_sets::begin_building(&mut tx, &OTHER)
        .await
        .unwrap()
        .unwrap();
    embed(&mut tx, &building, one, 1, [0.0, 1.0, 0.0]).await;
    tx.commit().await.unwrap();
    // A version that is about to go live holds the sets; the switch of the set waits for it, and
    // then sees that its vectors are missing.
    let mut holding = world.db.tenant(world.tenant).await.unwrap();
    assert_eq!(
        embedding_sets::hold_active(&mut holding)
            .await
            .unwrap()
            .len(),
        2
    );
    let mut switching = world.db.tenant(world.tenant).await.unwrap();
    sqlx::query("SET LOCAL lock_timeout = '50ms'")
        .execute(db::Tx::conn(&mut switching))
        .await
        .unwrap();
    let refused = embedding_sets::switch_set(&mut switching)
        .await
        .unwrap_err();
    assert!(refused.is_unavailable(), "{refused:?}");
    holding.commit().await.unwrap();
    let mut switching = world.db.tenant(world.tenant).await.unwrap();
    assert!(embedding_sets::switch_set(&mut switching).await.unwrap());
}

/// Gives the first tenant a document of `count` chunks with random vectors of 256 numbers.
async fn fill(world: &World, count: i32) -> EmbeddingSet {
    let maker = Maker {
        dimensions: 256,
        embedder: "test/test-3/256".into(),
        ..MAKER
    };
    let id: DocumentId = world.insert(world.tenant).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let set = embedding_sets::ensure_live(&mut tx, &maker)
        .await
        .unwrap()
        .remove(0);
    tx.commit().await.unwrap();
    for statement in [
        "INSERT INTO chunks (id, tenant_id, document_id, version, ordinal, text, token_count,
             char_start, char_end)
         SELECT gen_random_uuid(), $1, $2, 1, n, 'text', 1, 0, 1
         FROM generate_series(0, $3 - 1) AS n",
        "INSERT INTO chunk_embeddings (set_id, chunk_id, tenant_id, document_id, version, embedding)
         SELECT (SELECT max(id) FROM embedding_sets), id, $1, $2, 1,
             (SELECT array_agg(random() - 0.5 + 0 * (ordinal + n)) FROM generate_series(1, 256) AS n)
                 ::vector
         FROM chunks WHERE document_id = $2 AND ordinal < $3",
        "UPDATE documents SET live_version = 1, status = 'ready', chunk_count = $3
         WHERE tenant_id = $1 AND id = $2",
    ] {
        sqlx::query(statement)
            .bind(world.tenant.as_uuid())
            .bind(id.as_uuid())
            .bind(count)
            .execute(world.database.pool())
            .await
            .unwrap();
    }
    set
}

async fn index_all(world: &World, set: &EmbeddingSet) -> EmbeddingSet {
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    embedding_sets::set_index_status(&mut tx, set.id, IndexStatus::Filling)
        .await
        .unwrap();
    while chunk_embeddings::index_some(&mut tx, set, 500)
        .await
        .unwrap()
        == 500
    {}
    embedding_sets::set_index_status(&mut tx, set.id, IndexStatus::Ready)
        .await
        .unwrap();
    let set = embedding_sets::count_live(&mut tx).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    sqlx::query("ANALYZE documents, chunks, chunk_embeddings")
        .execute(world.database.pool())
        .await
        .unwrap();
    set
}

#[tokio::test]
async fn the_index_finds_what_measuring_every_vector_finds() {
    let world = World::new().await;
    let set = fill(&world, 1200).await;
    let questions: Vec<Vec<f32>> = (0..10_u16)
        .map(|seed| {
            (0..256_u16)
                .map(|at| f32::from((seed * 31 + at * 17) % 23) - 11.0)
                .collect()
        })
        .collect();
    let mut exact = Vec::new();
    for question in &questions {
        exact.push(nearest(&world, &set, question, -1.0).await);
    }
    let set = index_all(&world, &set).await;
    assert_eq!(
        (set.index_status, set.chunk_count),
        (IndexStatus::Ready, 1200)
    );
    let mut same = 0;
    for (question, exact) in questions.iter().zip(&exact) {
        let found = nearest(&world, &set, question, -1.0).await;
        assert_eq!(found.len(), 10);
        assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let is_exact = |found: &&Found| exact.iter().any(|other| other.chunk_id == found.chunk_id);
        same += found.iter().filter(is_exact).count();
    }
    assert!(same >= 97, "{same} of 100");

    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    assert_eq!(
        chunk_embeddings::unindex_some(&mut tx, &set, 5000)
            .await
            .unwrap(),
        1200
    );
}

#[tokio::test]
async fn the_plan_walks_the_index_as_the_application_role() {
    let world = World::new().await;
    let set = fill(&world, 3000).await;
    let set = index_all(&world, &set).await;
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    search::set_limits(&mut tx).await.unwrap();
    let explained = format!("EXPLAIN (COSTS off) {}", search::index_statement(256));
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explained))
        .bind(world.tenant.as_uuid())
        .bind(set.id)
        .bind(pgvector::Vector::from(vec![0.5; 256]))
        .bind(100_i64)
        .fetch_all(db::Tx::conn(&mut tx))
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("chunk_embeddings_256_idx"), "{plan}");
    assert!(!plan.contains("Seq Scan on chunk_embeddings"), "{plan}");
}

#[tokio::test]
async fn a_small_tenant_is_measured_along_the_primary_key_as_the_application_role() {
    let world = World::new().await;
    let large = fill(&world, 3000).await;
    index_all(&world, &large).await;
    let small = add_tenant(&world.database).await;
    for at in 0..20 {
        let text = format!("Parcel number {at} comes by bicycle.");
        world.add(small, &text, [1.0, 0.0, 0.0]).await;
    }
    // A table of few documents would be read from end to end, whatever its indexes.
    sqlx::query(
        "INSERT INTO documents (id, tenant_id, name, media_type, size_bytes, sha256, file_key)
         SELECT gen_random_uuid(), $1, 'other', 'text/plain', 1, sha256(''), 'none'
         FROM generate_series(1, 5000)",
    )
    .bind(world.tenant.as_uuid())
    .execute(world.database.pool())
    .await
    .unwrap();
    sqlx::query("ANALYZE documents, chunks, chunk_embeddings")
        .execute(world.database.pool())
        .await
        .unwrap();
    let mut tx = world.db.tenant(small).await.unwrap();
    let set = embedding_sets::find_live(&mut tx).await.unwrap().unwrap();
    search::set_limits(&mut tx).await.unwrap();
    let text = include_str!("../../../store/queries/search/exact.sql");
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {text}")))
        .bind(small.as_uuid())
        .bind(set.id)
        .bind(pgvector::Vector::from(vec![0.5; 3]))
        .bind(10_i64)
        .bind(None::<Vec<uuid::Uuid>>)
        .fetch_all(db::Tx::conn(&mut tx))
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(
        plan.contains("Index Scan using chunk_embeddings_pkey"),
        "{plan}"
    );
    // From the first vector of its set to the last, and no others.
    let keeps_to_set = format!("set_id = '{}'", set.id);
    let mut conditions = plan.lines().filter(|line| line.contains("Index Cond:"));
    assert!(
        conditions.any(|line| line.contains(&keeps_to_set)),
        "{plan}"
    );
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("_256_idx"), "{plan}");
}

#[tokio::test]
async fn postings_are_read_by_their_key_as_the_application_role() {
    let world = World::new().await;
    for at in 0..40 {
        let text = format!("Parcel number {at} comes by bicycle, door {at}, box {at}.");
        world.add(world.tenant, &text, [1.0, 0.0, 0.0]).await;
    }
    sqlx::query("ANALYZE keyword_segments, keyword_postings")
        .execute(world.database.pool())
        .await
        .unwrap();
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    // A small table is read from end to end, whatever its indexes.
    sqlx::query("SET LOCAL enable_seqscan = off")
        .execute(db::Tx::conn(&mut tx))
        .await
        .unwrap();
    let text = include_str!("../../../store/queries/search/keyword.sql");
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {text}")))
        .bind(world.tenant.as_uuid())
        .bind(vec![1_i64, 2, 3])
        .fetch_all(db::Tx::conn(&mut tx))
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(
        plan.contains("Index Scan using keyword_postings_pkey"),
        "{plan}"
    );
    let condition = plan
        .lines()
        .find(|line| line.contains("Index Cond: ((segment_id"));
    assert!(
        condition.is_some_and(|line| line.contains("bucket")),
        "{plan}"
    );
}

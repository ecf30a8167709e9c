use domain::{ChunkId, DocumentId, DocumentStatus};
use store::chunks::{self, EmbeddingProgress, NewChunk};
use store::documents::{self, NewDocument, VersionFacts};

use crate::world::World;

async fn document(world: &World) -> DocumentId {
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let new = NewDocument {
        id: DocumentId::new(),
        name: "a.txt",
        media_type: "text/plain",
        size_bytes: 5,
        sha256: &[1; 32],
        file_key: "key",
    };
    let document = documents::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    document.id
}

#[tokio::test]
async fn only_the_newest_version_asked_for_moves_a_document() {
    let world = World::new().await;
    let id = document(&world).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    assert!(documents::mark_processing(&mut tx, id, 1).await.unwrap());
    let facts = VersionFacts {
        title: Some("A"),
        page_count: Some(2),
        text_config: "english",
    };
    assert!(documents::set_facts(&mut tx, id, 1, &facts).await.unwrap());
    assert!(
        documents::switch_version(&mut tx, id, 1, 3, 40)
            .await
            .unwrap()
    );
    assert!(
        !documents::switch_version(&mut tx, id, 1, 3, 40)
            .await
            .unwrap()
    );
    let ready = documents::get(&mut tx, id).await.unwrap();
    assert_eq!(
        (ready.status, ready.live_version),
        (DocumentStatus::Ready, Some(1))
    );
    let queued = documents::request_version(&mut tx, id).await.unwrap();
    assert_eq!((queued.latest_version, queued.live_version), (2, Some(1)));
    assert!(
        !documents::mark_failed(&mut tx, id, 1, "late")
            .await
            .unwrap()
    );
    assert!(
        documents::mark_failed(&mut tx, id, 2, "no text")
            .await
            .unwrap()
    );
    let failed = documents::get(&mut tx, id).await.unwrap();
    assert_eq!(failed.error.as_deref(), Some("no text"));
    assert_eq!(failed.live_version, Some(1));
}

#[tokio::test]
async fn a_document_is_its_tenants_alone() {
    let world = World::new().await;
    let id = document(&world).await;
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    assert!(documents::find(&mut foreign, id).await.unwrap().is_none());
    assert!(
        documents::list(&mut foreign, None, None, 10)
            .await
            .unwrap()
            .data
            .is_empty()
    );
    assert!(
        !documents::mark_processing(&mut foreign, id, 1)
            .await
            .unwrap()
    );
    assert_eq!(documents::delete(&mut foreign, id).await.unwrap(), None);
    drop(foreign);
    let mut system = world.db.system().await.unwrap();
    assert_eq!(
        documents::list_file_keys(&mut system, world.one)
            .await
            .unwrap(),
        ["key"]
    );
    let mut own = world.db.tenant(world.one).await.unwrap();
    let queued = documents::list(&mut own, Some(DocumentStatus::Queued), None, 10)
        .await
        .unwrap();
    assert_eq!(queued.data[0].id, id);
    assert_eq!(
        documents::delete(&mut own, id).await.unwrap().as_deref(),
        Some("key")
    );
}

#[tokio::test]
async fn the_embedding_of_a_version_is_counted_by_its_chunks() {
    let world = World::new().await;
    let id = document(&world).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let progress = chunks::embedding_progress(&mut tx, id, 1, "m").await;
    let counts = |embedded, total| EmbeddingProgress { embedded, total };
    assert_eq!(progress.unwrap(), counts(0, 0));
    let new: Vec<NewChunk> = (0..3)
        .map(|ordinal| NewChunk {
            id: ChunkId::new(),
            ordinal,
            text: "text".to_owned(),
            token_count: 1,
            page: None,
            heading: None,
            char_start: 0,
            char_end: 4,
        })
        .collect();
    chunks::insert_many(&mut tx, id, 1, &new).await.unwrap();
    let made = vec![(new[0].id, vec![1.0]), (new[2].id, vec![0.5])];
    chunks::set_embeddings(&mut tx, "m", made).await.unwrap();
    let progress = chunks::embedding_progress(&mut tx, id, 1, "m").await;
    assert_eq!(progress.unwrap(), counts(2, 3));
    let other = chunks::embedding_progress(&mut tx, id, 1, "other").await;
    assert_eq!(other.unwrap(), counts(0, 3));
    tx.commit().await.unwrap();
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    let seen = chunks::embedding_progress(&mut foreign, id, 1, "m").await;
    assert_eq!(seen.unwrap(), counts(0, 0));
}

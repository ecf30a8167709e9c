use domain::{ChunkId, DocumentId, DocumentStatus};
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

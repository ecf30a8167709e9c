use domain::{DocumentId, DocumentSource, DocumentStage, DocumentStatus, VersionState};
use store::document_versions;
use store::documents::{self, DocumentFilter, NewDocument, Progress, VersionFacts};

use crate::world::World;

async fn document(world: &World) -> DocumentId {
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let new = NewDocument {
        id: DocumentId::new(),
        name: "a.txt",
        source: DocumentSource::File,
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
        author: None,
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
        documents::list(&mut foreign, DocumentFilter::default(), None, 10)
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
    let filter = DocumentFilter {
        status: Some(DocumentStatus::Queued),
        ..DocumentFilter::default()
    };
    let queued = documents::list(&mut own, filter, None, 10).await.unwrap();
    assert_eq!(queued.data[0].id, id);
    assert_eq!(
        documents::delete(&mut own, id).await.unwrap().as_deref(),
        Some("key")
    );
}

/// The versions of a document: number, state, chunks.
async fn versions(world: &World, id: DocumentId) -> Vec<(i32, VersionState, Option<i32>)> {
    let mut tx = world.db.tenant(world.one).await.unwrap();
    let page = document_versions::list(&mut tx, id, None, 10)
        .await
        .unwrap();
    let all = page.data.into_iter();
    all.map(|version| (version.version, version.state, version.chunk_count))
        .collect()
}

#[tokio::test]
async fn every_version_is_told_of() {
    use VersionState::{Failed, Live, Processing, Queued, Replaced, Superseded};
    let world = World::new().await;
    let id = document(&world).await;
    assert_eq!(versions(&world, id).await, [(1, Queued, None)]);
    let mut tx = world.db.tenant(world.one).await.unwrap();
    documents::mark_processing(&mut tx, id, 1).await.unwrap();
    documents::switch_version(&mut tx, id, 1, 3, 40)
        .await
        .unwrap();
    documents::request_version(&mut tx, id).await.unwrap();
    documents::mark_processing(&mut tx, id, 2).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        versions(&world, id).await,
        [(2, Processing, None), (1, Live, Some(3))]
    );
    let mut tx = world.db.tenant(world.one).await.unwrap();
    documents::request_version(&mut tx, id).await.unwrap();
    documents::mark_failed(&mut tx, id, 3, "no text")
        .await
        .unwrap();
    documents::request_version(&mut tx, id).await.unwrap();
    documents::switch_version(&mut tx, id, 4, 5, 60)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        versions(&world, id).await,
        [
            (4, Live, Some(5)),
            (3, Failed, None),
            (2, Superseded, None),
            (1, Replaced, Some(3)),
        ]
    );
    // Of another tenant's document nothing is told.
    let mut foreign = world.db.tenant(world.other).await.unwrap();
    let page = document_versions::list(&mut foreign, id, None, 10).await;
    assert!(page.unwrap().data.is_empty());
}

#[tokio::test]
async fn progress_is_that_of_the_newest_version_and_ends_with_it() {
    let world = World::new().await;
    let id = document(&world).await;
    let embedding = Progress {
        stage: DocumentStage::Embedding,
        done: 0,
        total: Some(8),
    };
    let mut tx = world.db.tenant(world.one).await.unwrap();
    // Nobody works on it yet.
    documents::set_progress(&mut tx, id, 1, embedding)
        .await
        .unwrap();
    assert_eq!(documents::get(&mut tx, id).await.unwrap().progress, None);
    documents::mark_processing(&mut tx, id, 1).await.unwrap();
    let reading = Progress {
        stage: DocumentStage::Reading,
        done: 3,
        total: None,
    };
    documents::set_progress(&mut tx, id, 1, reading)
        .await
        .unwrap();
    let document = documents::get(&mut tx, id).await.unwrap();
    assert_eq!(document.progress, Some(reading));
    documents::set_progress(&mut tx, id, 1, embedding)
        .await
        .unwrap();
    documents::set_remaining(&mut tx, id, 1, 3).await.unwrap();
    documents::set_progress(&mut tx, id, 2, reading)
        .await
        .unwrap();
    let document = documents::get(&mut tx, id).await.unwrap();
    assert_eq!(
        document.progress,
        Some(Progress {
            done: 5,
            ..embedding
        })
    );
    documents::switch_version(&mut tx, id, 1, 8, 40)
        .await
        .unwrap();
    assert_eq!(documents::get(&mut tx, id).await.unwrap().progress, None);
}

#[tokio::test]
async fn a_list_may_be_of_some_sources_and_names() {
    let world = World::new().await;
    let id = document(&world).await;
    let mut tx = world.db.tenant(world.one).await.unwrap();
    documents::rename(&mut tx, id, "Terms 100%.TXT")
        .await
        .unwrap();
    for (filter, is_found) in [
        (DocumentFilter::default(), true),
        (
            DocumentFilter {
                name: Some("0%.tx"),
                source: Some(DocumentSource::File),
                ..DocumentFilter::default()
            },
            true,
        ),
        (
            DocumentFilter {
                name: Some("1%0"),
                ..DocumentFilter::default()
            },
            false,
        ),
        (
            DocumentFilter {
                source: Some(DocumentSource::Url),
                ..DocumentFilter::default()
            },
            false,
        ),
    ] {
        let page = documents::list(&mut tx, filter, None, 10).await.unwrap();
        assert_eq!(!page.data.is_empty(), is_found, "{filter:?}");
    }
}

//! A version that is being made while one set of vectors takes the place of another.

use std::sync::Arc;

use domain::{
    ChunkId, DocumentId, DocumentSource, DocumentStatus, EmbeddingSettings, TenantSettings,
};
use jobs::kinds::EmbedChunk;
use llm::{Embedder, HashedNgrams};
use store::chunks::{self, NewChunk};
use store::documents::{self, NewDocument};
use store::embedding_sets::{self, Maker};

use crate::looks::eventually;
use crate::stage::{Stage, settings};
use crate::vectors::embedders;

fn maker_of(embedder: &dyn Embedder) -> Maker<'_> {
    Maker {
        provider: embedder.provider(),
        model: embedder.model(),
        dimensions: embedder.dimensions().try_into().unwrap(),
        embedder: embedder.key().into(),
        base_url: None,
    }
}

/// Adds a document of one chunk, which has only to be embedded.
async fn add_written(stage: &Stage) -> DocumentId {
    let id = DocumentId::new();
    let new = NewDocument {
        id,
        name: "rules.txt",
        source: DocumentSource::File,
        media_type: "text/plain",
        size_bytes: 1,
        sha256: &[7; 32],
        file_key: "none",
    };
    let chunk = NewChunk {
        id: ChunkId::new(),
        ordinal: 0,
        text: "Returns are free for fourteen days.".to_owned(),
        token_count: 10,
        page: None,
        heading: None,
        char_start: 0,
        char_end: 10,
    };
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    documents::insert(&mut tx, &new).await.unwrap();
    assert!(documents::mark_processing(&mut tx, id, 1).await.unwrap());
    chunks::insert_many(&mut tx, id, 1, std::slice::from_ref(&chunk))
        .await
        .unwrap();
    documents::mark_written(&mut tx, id, 1).await.unwrap();
    let embed = EmbedChunk {
        tenant_id: stage.tenant,
        document_id: id,
        version: 1,
        first: 0,
        count: 1,
    };
    jobs::enqueue(&mut tx, &embed).await.unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn a_version_whose_last_vectors_come_while_the_sets_switch_becomes_visible() {
    let embedding = EmbeddingSettings {
        provider: "openai".to_owned(),
        ..EmbeddingSettings::default()
    };
    let settings = TenantSettings {
        embedding: Some(embedding.clone()),
        ..settings()
    };
    let mut stage = Stage::set(settings, Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    embedding_sets::ensure_live(&mut tx, &maker_of(&HashedNgrams))
        .await
        .unwrap();
    let embedders = &stage.assistant.embedders;
    let wanted = embedders.for_tenant(Some(&embedding), None).unwrap();
    let begun = embedding_sets::begin_building(&mut tx, &maker_of(&*wanted)).await;
    assert!(begun.unwrap().is_some());
    tx.commit().await.unwrap();
    let id = add_written(&stage).await;

    // Somebody else makes the second set the live one, between the moment at which the job looks
    // at both and the one at which it stores its first vector.
    let mut switching = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    assert!(embedding_sets::switch_set(&mut switching).await.unwrap());
    stage.work().await;
    eventually("the job waits for the switch", async || {
        let held_up = "pg_stat_activity WHERE datname = current_database()
                       AND wait_event_type = 'Lock' AND query LIKE '%FROM embedding_sets%'";
        (stage.count(held_up).await > 0).then_some(())
    })
    .await;
    switching.commit().await.unwrap();
    stage.stands(id, DocumentStatus::Ready).await;
    stage.rest_in_peace().await;
}

//! What is made, and what is found, while one set of vectors takes the place of another.

use std::sync::Arc;

use assistant::ingest::search::{self, Query};
use domain::{
    ChunkId, DocumentId, DocumentSource, DocumentStatus, EmbeddingSettings, RetrievalSettings,
    TenantSettings,
};
use jobs::kinds::EmbedChunk;
use jobs::{EngineOptions, Job as _};
use llm::{Embedder, HashedNgrams};
use store::chunks::{self, NewChunk};
use store::documents::{self, NewDocument};
use store::embedding_sets::{self, Maker};

use crate::addresses::change_model;
use crate::looks::eventually;
use crate::stage::{Stage, settings};
use crate::vectors::{chosen, embedders};

const TEXT: &str = "Returns are free for fourteen days.";
const QUESTION: &str = "For how many days are returns free?";

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
pub(crate) async fn add_written(stage: &Stage, text: &str) -> DocumentId {
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
        text: text.to_owned(),
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
    let id = add_written(&stage, TEXT).await;

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

/// The text that is found first, and how near its vector is to the question's.
async fn ask(stage: &Stage) -> (String, Option<f64>) {
    let query = Query {
        text: QUESTION,
        settings: &RetrievalSettings::default(),
        documents: None,
    };
    let found = search::find(&stage.assistant, stage.tenant, &query).await;
    let first = found.unwrap().passages.swap_remove(0);
    (first.passage.text, first.scores.vector)
}

/// A question finds what answers it by vectors of so many numbers.
async fn finds_by(stage: &Stage, dimensions: u64) {
    let (text, similarity) = ask(stage).await;
    assert_eq!(text, TEXT);
    assert!(similarity.is_some_and(|it| it > 0.3), "{similarity:?}");
    let questions = stage.model.received().into_iter();
    let mut questions = questions.filter(|call| call.body["input"].to_string().contains(QUESTION));
    let last = questions.next_back().unwrap();
    assert_eq!(last.body["dimensions"], dimensions);
}

#[tokio::test]
async fn searches_go_on_finding_while_the_dimension_is_changed() {
    let mut stage = Stage::set(chosen(64), Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    stage.work().await;
    for text in [TEXT, "We sell green tea and black tea from four gardens."] {
        let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
        stage.stands(id, DocumentStatus::Ready).await;
    }
    stage.rest_in_peace().await;
    finds_by(&stage, 64).await;

    // For a while there is nobody who makes vectors.
    stage.stop_work().await;
    stage.change(&chosen(128)).await;
    change_model(&stage).await;
    let without = |options: &mut EngineOptions| {
        options.kinds.retain(|kind| kind.name != EmbedChunk::KIND);
    };
    stage.work_with(without).await;
    eventually("the second set is being built", async || {
        let building = "embedding_sets WHERE status = 'building' AND dimensions = 128";
        (stage.count(building).await == 1).then_some(())
    })
    .await;
    finds_by(&stage, 64).await;

    stage.stop_work().await;
    stage.work().await;
    eventually("vectors of the other dimension are live", async || {
        assert_eq!(ask(&stage).await.0, TEXT);
        let live = "embedding_sets WHERE status = 'live' AND dimensions = 128";
        (stage.count(live).await == 1).then_some(())
    })
    .await;
    stage.rest_in_peace().await;
    finds_by(&stage, 128).await;
    assert_eq!(stage.count("embedding_sets").await, 1);
    assert_eq!(stage.count("chunk_embeddings").await, 2);
}

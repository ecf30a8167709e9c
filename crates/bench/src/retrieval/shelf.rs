//! Documents in the database, put there as the product's workers do.

use std::time::Instant;

use anyhow::Context as _;
use db::Db;
use domain::{ChunkId, DocumentId, TenantId, TenantSettings};
use rag::keyword::{self, Indexable, Vocabulary};
use rag::language;
use store::chunk_embeddings;
use store::chunks::{self, NewChunk};
use store::documents::{self, NewDocument, VersionFacts};
use store::embedding_sets::{self, EmbeddingSet, IndexStatus, Maker};
use store::tenants::{self, TenantValues};

use super::embedding::MODEL;
use crate::report::say;

/// How many vectors a transaction puts into the index.
const INDEX_BATCH: i64 = 500;
/// The only version of each document.
const VERSION: i32 = 1;

/// A passage to be put there.
pub(super) struct Passage {
    pub(super) id: ChunkId,
    pub(super) heading: Option<String>,
    pub(super) text: String,
    pub(super) vector: Option<Vec<f32>>,
}

impl Passage {
    /// What a model gets to see of it.
    pub(super) fn words(&self) -> String {
        match &self.heading {
            Some(heading) => format!("{heading}\n{}", self.text),
            None => self.text.clone(),
        }
    }
}

/// Makes a tenant.
pub(super) async fn add_tenant(db: &Db, name: &str) -> anyhow::Result<TenantId> {
    let id = TenantId::new();
    let values = TenantValues {
        name,
        enabled: true,
        settings: &TenantSettings::default(),
        sealed_secrets: None,
    };
    let mut tx = db.system().await?;
    tenants::insert(&mut tx, id, &values).await?;
    tx.commit().await?;
    Ok(id)
}

/// Makes a document of these passages that searches see.
pub(super) async fn add_document(
    db: &Db,
    tenant: TenantId,
    passages: Vec<Passage>,
) -> anyhow::Result<()> {
    let id = DocumentId::new();
    let all: Vec<&str> = passages.iter().map(|it| it.text.as_str()).collect();
    let text_config = language::text_config(&all.join("\n"));
    let new = NewDocument {
        id,
        name: "measured.txt",
        source: domain::DocumentSource::File,
        media_type: "text/plain",
        size_bytes: 1,
        sha256: &[0; 32],
        file_key: "measured",
    };
    let facts = VersionFacts {
        title: None,
        author: None,
        page_count: None,
        text_config,
    };
    let (mut rows, mut vectors) = (Vec::new(), Vec::new());
    for (ordinal, passage) in passages.into_iter().enumerate() {
        if let Some(vector) = passage.vector {
            vectors.push((passage.id, vector));
        }
        rows.push(NewChunk {
            id: passage.id,
            ordinal: i32::try_from(ordinal)?,
            token_count: 1,
            page: None,
            heading: passage.heading,
            char_start: 0,
            char_end: 1,
            text: passage.text,
        });
    }
    let words: Vec<Indexable<'_>> = rows.iter().map(words_of).collect();
    let mut tx = db.tenant(tenant).await?;
    documents::insert(&mut tx, &new).await?;
    documents::set_facts(&mut tx, id, VERSION, &facts).await?;
    chunks::insert_many(&mut tx, id, VERSION, &rows).await?;
    keyword::index(
        &mut tx,
        id,
        VERSION,
        &mut Vocabulary::new(text_config),
        &words,
    )
    .await?;
    if let Some((_, vector)) = vectors.first() {
        let maker = maker(vector.len());
        let sets = embedding_sets::ensure_live(&mut tx, &maker).await?;
        let set = sets.first().context("no set of vectors")?;
        chunk_embeddings::insert_many(&mut tx, set, vectors).await?;
    }
    let counts = chunks::count_version(&mut tx, id, VERSION).await?;
    let (chunk_count, term_count) = (counts.chunk_count, counts.term_count);
    documents::switch_version(&mut tx, id, VERSION, chunk_count, term_count).await?;
    Ok(tx.commit().await?)
}

/// Merges what the keyword search reads, as `tend-index` does once documents have changed.
pub(super) async fn merge(db: &Db, tenant: TenantId) -> anyhow::Result<()> {
    loop {
        let mut tx = db.tenant(tenant).await?;
        let merged = keyword::merge(&mut tx).await?;
        tx.commit().await?;
        if !merged {
            return Ok(());
        }
    }
}

/// Puts a tenant's vectors into the index of their dimension, as `tend-index` does once there are many.
pub(super) async fn index_vectors(db: &Db, tenant: TenantId) -> anyhow::Result<()> {
    let set = live_set(db, tenant).await?;
    let begun = Instant::now();
    let mut status = IndexStatus::Filling;
    loop {
        let mut tx = db.tenant(tenant).await?;
        embedding_sets::set_index_status(&mut tx, set.id, status).await?;
        if status == IndexStatus::Ready {
            tx.commit().await?;
            let seconds = begun.elapsed().as_secs_f64();
            say(&format!("vectors indexed in {seconds:.0} s"));
            return Ok(());
        }
        let count = chunk_embeddings::index_some(&mut tx, &set, INDEX_BATCH).await?;
        tx.commit().await?;
        if count < INDEX_BATCH.unsigned_abs() {
            status = IndexStatus::Ready;
        }
    }
}

/// Who made vectors of so many numbers.
fn maker(dimensions: usize) -> Maker<'static> {
    Maker {
        provider: "local",
        model: MODEL,
        dimensions: i32::try_from(dimensions).unwrap_or(i32::MAX),
        embedder: format!("local/{MODEL}/{dimensions}").into(),
        base_url: None,
    }
}

fn words_of(chunk: &NewChunk) -> Indexable<'_> {
    Indexable {
        ordinal: chunk.ordinal,
        heading: chunk.heading.as_deref(),
        text: &chunk.text,
    }
}

/// The set that a tenant's searches read.
pub(super) async fn live_set(db: &Db, tenant: TenantId) -> anyhow::Result<EmbeddingSet> {
    let mut tx = db.tenant(tenant).await?;
    let set = embedding_sets::find_live(&mut tx).await?;
    set.context("no set of vectors")
}

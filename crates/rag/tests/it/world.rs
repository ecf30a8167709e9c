use std::borrow::Cow;

use db::{Db, DbOptions};
use domain::{ChunkId, ChunkingSettings, DocumentId, RetrievalSettings, TenantId};
use rag::chunk::split;
use rag::extract::{MediaType, read};
use rag::keyword::{self, Indexable, Vocabulary};
use rag::language::text_config;
use rag::retrieve::{Embedding, Question, Retrieval, Retrieved, retrieve};
use store::chunk_embeddings::{self, Run};
use store::chunks::NewChunk;
use store::documents::{NewDocument, VersionFacts};
use store::embedding_sets::{self, EmbeddingSet, Maker, SetStatus};
use store::{chunks, documents};
use testkit::TestDb;

/// Who makes the vectors, of three numbers.
pub(crate) const MAKER: Maker<'static> = Maker {
    provider: "test",
    model: "test-3",
    dimensions: 3,
    embedder: Cow::Borrowed("test/test-3/3"),
    base_url: None,
};

/// A tenant with documents, as a worker writes them.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) tenant: TenantId,
    // Dropped last: it takes the database along.
    pub(crate) database: TestDb,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = TestDb::new().await;
        let db = Db::connect_lazy(&DbOptions::new(database.url())).unwrap();
        let tenant = add_tenant(&database).await;
        Self {
            db,
            tenant,
            database,
        }
    }

    /// Stores a text as a document that is searchable, by words and by one vector for all of it.
    pub(crate) async fn add(&self, tenant: TenantId, text: &str, vector: [f32; 3]) -> DocumentId {
        let id = self.insert(tenant).await;
        self.write(tenant, id, 1, text, vector).await;
        assert!(self.switch(tenant, id, 1).await);
        id
    }

    /// Creates a document without any version.
    pub(crate) async fn insert(&self, tenant: TenantId) -> DocumentId {
        let id = DocumentId::new();
        let mut tx = self.db.tenant(tenant).await.unwrap();
        let document = NewDocument {
            id,
            name: "rules.txt",
            source: domain::DocumentSource::File,
            media_type: "text/plain",
            size_bytes: 1,
            sha256: &[0; 32],
            file_key: "key",
        };
        documents::insert(&mut tx, &document).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Writes one version, which no search sees yet.
    pub(crate) async fn write(
        &self,
        tenant: TenantId,
        id: DocumentId,
        version: i32,
        text: &str,
        vector: [f32; 3],
    ) {
        let config = text_config(text);
        let rows = cut(text);
        let mut tx = self.db.tenant(tenant).await.unwrap();
        let sets = embedding_sets::ensure_live(&mut tx, &MAKER).await.unwrap();
        let facts = VersionFacts {
            title: None,
            author: None,
            page_count: None,
            text_config: config,
        };
        documents::set_facts(&mut tx, id, version, &facts)
            .await
            .unwrap();
        chunks::insert_many(&mut tx, id, version, &rows)
            .await
            .unwrap();
        let words: Vec<Indexable<'_>> = rows.iter().map(words_of).collect();
        keyword::index(&mut tx, id, version, &mut Vocabulary::new(config), &words)
            .await
            .unwrap();
        for set in &sets {
            embed(&mut tx, set, id, version, vector).await;
        }
        tx.commit().await.unwrap();
    }

    /// Makes a version the one that searches see.
    pub(crate) async fn switch(&self, tenant: TenantId, id: DocumentId, version: i32) -> bool {
        let mut tx = self.db.tenant(tenant).await.unwrap();
        let counts = chunks::count_version(&mut tx, id, version).await.unwrap();
        assert!(counts.chunk_count > 0, "{counts:?}");
        let (chunk_count, term_count) = (counts.chunk_count, counts.term_count);
        let switched = documents::switch_version(&mut tx, id, version, chunk_count, term_count)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        switched
    }

    /// Writes another version of a document, and shows it.
    pub(crate) async fn renew(&self, id: DocumentId, text: &str) {
        let mut tx = self.db.tenant(self.tenant).await.unwrap();
        let document = documents::request_version(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        let version = document.latest_version;
        self.write(self.tenant, id, version, text, [1.0, 0.0, 0.0])
            .await;
        assert!(self.switch(self.tenant, id, version).await);
    }

    pub(crate) async fn live_set(&self) -> Option<EmbeddingSet> {
        let mut tx = self.db.tenant(self.tenant).await.unwrap();
        embedding_sets::find_live(&mut tx).await.unwrap()
    }

    pub(crate) async fn retrieve(
        &self,
        text: &str,
        vector: Option<&[f32]>,
        settings: &RetrievalSettings,
    ) -> Retrieval {
        let set = self.live_set().await;
        let mut tx = self.db.tenant(self.tenant).await.unwrap();
        let embedding = set
            .as_ref()
            .zip(vector)
            .map(|(set, vector)| Embedding { set, vector });
        let question = Question {
            text,
            embedding,
            documents: None,
        };
        retrieve(&mut tx, question, settings).await.unwrap()
    }

    pub(crate) async fn ask(&self, text: &str, vector: Option<&[f32]>) -> Vec<Retrieved> {
        let settings = RetrievalSettings::default();
        self.retrieve(text, vector, &settings).await.passages
    }

    pub(crate) async fn found(&self, text: &str) -> Vec<String> {
        let found = self.ask(text, None).await;
        found.into_iter().map(|found| found.passage.text).collect()
    }

    /// Merges the keyword index until nothing is left to merge; returns how often.
    pub(crate) async fn merge(&self) -> usize {
        let mut count = 0;
        loop {
            let mut tx = self.db.tenant(self.tenant).await.unwrap();
            let merged = keyword::merge(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
            if !merged {
                return count;
            }
            count += 1;
        }
    }
}

/// Gives every chunk of a version that has none in the set the same vector.
pub(crate) async fn embed(
    tx: &mut db::TenantTx,
    set: &EmbeddingSet,
    id: DocumentId,
    version: i32,
    vector: [f32; 3],
) {
    let run = Run {
        document_id: id,
        version,
        first: 0,
        count: 1000,
    };
    let open = chunk_embeddings::list_unembedded(tx, set.id, run)
        .await
        .unwrap();
    let rows = open
        .into_iter()
        .map(|chunk| (chunk.id, vector.to_vec()))
        .collect();
    chunk_embeddings::insert_many(tx, set, rows).await.unwrap();
    let left = chunk_embeddings::count_unembedded(tx, set.id, id, version)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_ne!(set.status, SetStatus::Retired);
}

/// What a worker stores of a text.
pub(crate) fn cut(text: &str) -> Vec<NewChunk> {
    let extracted = read(MediaType::Text, text.as_bytes()).unwrap();
    let settings = ChunkingSettings {
        max_tokens: 40,
        overlap_tokens: 5,
        ..ChunkingSettings::default()
    };
    split(&extracted, &settings)
        .unwrap()
        .into_iter()
        .map(|passage| NewChunk {
            id: ChunkId::new(),
            ordinal: i32::try_from(passage.ordinal).unwrap(),
            token_count: i32::try_from(passage.token_count).unwrap(),
            page: None,
            heading: passage.heading,
            char_start: i32::try_from(passage.char_start).unwrap(),
            char_end: i32::try_from(passage.char_end).unwrap(),
            text: passage.text,
        })
        .collect()
}

pub(crate) fn words_of(chunk: &NewChunk) -> Indexable<'_> {
    Indexable {
        ordinal: chunk.ordinal,
        heading: chunk.heading.as_deref(),
        text: &chunk.text,
    }
}

pub(crate) async fn add_tenant(database: &TestDb) -> TenantId {
    let tenant = TenantId::new();
    sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, 'Shop')")
        .bind(tenant.as_uuid())
        .execute(database.pool())
        .await
        .unwrap();
    tenant
}

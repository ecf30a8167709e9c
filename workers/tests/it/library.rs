//! A tenant's documents: put in, changed, looked up; and an embedder that can be held up.

use std::sync::Arc;

use assistant::ingest;
use assistant::ingest::search::{self, Passage, Query};
use bytes::Bytes;
use domain::{DocumentId, DocumentSource, DocumentStatus, RetrievalSettings, TenantId};
use files::FileKey;
use futures::stream;
use llm::{Embedded, Embedder, Error, HashedNgrams};
use store::documents::{self, Document, NewDocument};
use tokio::sync::Semaphore;

use crate::looks::eventually;
use crate::stage::Stage;

/// A text that holds this is embedded only when the gate lets it through.
pub(crate) const HELD_UP: &str = "thirty-one";

/// An embedder with a gate.
pub(crate) struct Gated {
    pub(crate) gate: Arc<Semaphore>,
}

impl Gated {
    pub(crate) fn closed() -> (Arc<Self>, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        let embedder = Self {
            gate: Arc::clone(&gate),
        };
        (Arc::new(embedder), gate)
    }
}

#[async_trait::async_trait]
impl Embedder for Gated {
    fn provider(&self) -> &'static str {
        HashedNgrams.provider()
    }

    fn model(&self) -> &str {
        HashedNgrams.model()
    }

    fn dimensions(&self) -> usize {
        HashedNgrams.dimensions()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        if texts.iter().any(|text| text.contains(HELD_UP)) {
            self.gate.acquire().await.unwrap().forget();
        }
        HashedNgrams.embed(texts).await
    }
}

/// Another model: the same vectors, with their numbers in the opposite order.
pub(crate) struct Turned;

#[async_trait::async_trait]
impl Embedder for Turned {
    fn provider(&self) -> &'static str {
        "test"
    }

    fn model(&self) -> &'static str {
        "turned-1"
    }

    fn dimensions(&self) -> usize {
        HashedNgrams.dimensions()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        let mut embedded = HashedNgrams.embed(texts).await?;
        for vector in &mut embedded.vectors {
            vector.reverse();
        }
        Ok(embedded)
    }
}

impl Stage {
    /// Uploads a file as the API does.
    pub(crate) async fn upload(&self, name: &str, media_type: &str, content: &[u8]) -> DocumentId {
        self.upload_for(self.tenant, name, media_type, content)
            .await
    }

    /// Uploads a file of any tenant.
    pub(crate) async fn upload_for(
        &self,
        tenant: TenantId,
        name: &str,
        media_type: &str,
        content: &[u8],
    ) -> DocumentId {
        let bytes = Bytes::copy_from_slice(content);
        let content = stream::iter([Ok::<_, std::io::Error>(bytes)]);
        let stored = self.assistant.files.put_stream(tenant, content, 1 << 20);
        let stored = stored.await.unwrap();
        let id = DocumentId::new();
        let new = NewDocument {
            id,
            name,
            source: DocumentSource::File,
            media_type,
            size_bytes: i64::try_from(stored.size_bytes).unwrap(),
            sha256: &stored.sha256,
            file_key: &stored.key.to_string(),
        };
        let mut tx = self.assistant.db.tenant(tenant).await.unwrap();
        let document = documents::insert(&mut tx, &new).await.unwrap();
        ingest::begin_version(&mut tx, &document).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Has a document indexed anew, from another content.
    pub(crate) async fn reindex(&self, id: DocumentId, content: &[u8]) -> i32 {
        let key: FileKey = self.document(id).await.file_key.parse().unwrap();
        std::fs::write(self.assistant.files.path(&key), content).unwrap();
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let document = ingest::request_version(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        document.latest_version
    }

    pub(crate) async fn delete_document(&self, id: DocumentId) {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        assert!(documents::delete(&mut tx, id).await.unwrap().is_some());
        tx.commit().await.unwrap();
    }

    pub(crate) async fn document(&self, id: DocumentId) -> Document {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        documents::get(&mut tx, id).await.unwrap()
    }

    /// Waits until a document stands so.
    pub(crate) async fn stands(&self, id: DocumentId, status: DocumentStatus) -> Document {
        eventually(&format!("a document that is {status}"), async || {
            let document = self.document(id).await;
            (document.status == status).then_some(document)
        })
        .await
    }

    /// What an answer to the question would draw on: pages and texts.
    pub(crate) async fn found(&self, question: &str) -> Vec<(Option<i32>, String)> {
        let passages = self.passages(question).await;
        let place = |passage: Passage| (passage.source.page, passage.text);
        passages.into_iter().map(place).collect()
    }

    /// The passages that an answer to the question would draw on.
    pub(crate) async fn passages(&self, question: &str) -> Vec<Passage> {
        let query = Query {
            text: question,
            settings: &RetrievalSettings::default(),
            documents: None,
        };
        let found = search::find(&self.assistant, self.tenant, &query).await;
        found.unwrap().into_passages()
    }
}

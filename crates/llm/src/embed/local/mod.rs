//! A model in this very process: BERT in a folder as sentence-transformers keep it, run by candle.

mod encoder;
mod folder;
mod pieces;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};

use super::{Embedded, Embedder, LocalModel};
use crate::Error;
use encoder::Encoder;
use folder::Folder;
use pieces::Mean;

const NAME: &str = "local";

/// Texts of one call: a call that breaks off loses a few seconds of work.
const BATCH_TEXTS: usize = 64;

/// How many questions are embedded at a time, beside whatever documents take.
const QUESTIONS: usize = 2;

/// Embeddings by a model in a folder: no network, no key, no cost but processor time.
///
/// The model is loaded by the first call, once for all clones and callers, and stays. A text on its
/// own counts as a question and does not wait behind documents.
pub struct LocalEmbeddings {
    folder: Arc<Folder>,
    encoder: OnceCell<Arc<Encoder>>,
    questions: Arc<Semaphore>,
    documents: Arc<Semaphore>,
}

impl LocalEmbeddings {
    /// Reads what the folder says of its model; the weights are left for later.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if there is no model that can be used.
    pub fn open(model: &LocalModel) -> Result<Self, Error> {
        Ok(Self {
            folder: Arc::new(Folder::read(&model.folder)?),
            encoder: OnceCell::new(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            documents: Arc::new(Semaphore::new(model.at_a_time.get())),
        })
    }

    async fn encoder(&self) -> Result<Arc<Encoder>, Error> {
        let load = || async {
            let folder = Arc::clone(&self.folder);
            blocking(move || Encoder::load(&folder)).await.map(Arc::new)
        };
        self.encoder.get_or_try_init(load).await.map(Arc::clone)
    }
}

/// Runs `work` where it may take its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Unavailable {
            provider: NAME,
            retry_after: None,
            source: Some(error.into()),
        }),
    }
}

#[async_trait::async_trait]
impl Embedder for LocalEmbeddings {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn model(&self) -> &str {
        &self.folder.name
    }

    fn dimensions(&self) -> usize {
        self.folder.dimensions
    }

    fn tokenizer_file(&self) -> Option<&Path> {
        Some(&self.folder.tokenizer_file)
    }

    fn batch_len(&self, texts: &[String]) -> usize {
        texts.len().clamp(1, BATCH_TEXTS)
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        if texts.is_empty() {
            return Ok(Embedded::default());
        }
        let encoder = self.encoder().await?;
        let places = if texts.len() == 1 {
            &self.questions
        } else {
            &self.documents
        };
        let mut mean = Mean::new(texts.len(), self.folder.dimensions);
        let (reader, texts) = (Arc::clone(&encoder), texts.to_vec());
        let pieces = blocking(move || reader.pieces(texts)).await?;
        let tokens = pieces.tokens();
        for batch in pieces.into_batches() {
            // Held by the work itself: it goes on when the caller has gone away.
            let place = Arc::clone(places).acquire_owned().await;
            let (encoder, read) = (Arc::clone(&encoder), batch.clone());
            let vectors = blocking(move || {
                let _place = place;
                encoder.vectors(&read)
            });
            mean.add(&batch, vectors.await?);
        }
        Ok(Embedded {
            vectors: mean.into_vectors(),
            tokens: Some(tokens),
        })
    }
}

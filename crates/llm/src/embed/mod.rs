//! Texts as vectors.

mod hashed_ngrams;
mod ollama;
mod openai;

pub use hashed_ngrams::HashedNgrams;
pub use ollama::OllamaEmbeddings;
pub use openai::OpenAiEmbeddings;

use crate::Error;

/// Something that turns texts into vectors whose angle tells how near they are in meaning.
#[async_trait::async_trait]
pub trait Embedder: Send + Sync {
    /// The provider's name.
    fn provider(&self) -> &str;

    /// The model's name, as it is kept beside each vector: vectors of two models do not compare.
    fn model(&self) -> &str;

    /// How many numbers a vector has.
    fn dimensions(&self) -> usize;

    /// One vector for each text, in their order; all or none.
    ///
    /// # Errors
    /// Any [`Error`] of the provider.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Error>;
}

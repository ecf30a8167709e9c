//! Texts as vectors.

mod embedders;
mod hashed_ngrams;
#[cfg(feature = "local-embeddings")]
mod local;
mod ollama;
mod openai;
mod retry;

pub use embedders::{Embedders, LocalModel, PlatformEmbedding};
pub use hashed_ngrams::HashedNgrams;
#[cfg(feature = "local-embeddings")]
pub use local::LocalEmbeddings;
pub use ollama::OllamaEmbeddings;
pub use openai::OpenAiEmbeddings;
pub use retry::RetryEmbeddings;

use std::path::Path;

use domain::{EmbeddingSettings, LlmChoice};
use secrecy::SecretString;

use crate::manager::KeyOwner;
use crate::{Error, Usage};

/// Something that turns texts into vectors whose angle tells how near they are in meaning.
#[async_trait::async_trait]
pub trait Embedder: Send + Sync {
    /// The provider's name, as settings have it.
    fn provider(&self) -> &'static str;

    /// The model's name, as it is kept beside each vector: vectors of two models do not compare.
    fn model(&self) -> &str;

    /// How many numbers a vector has.
    fn dimensions(&self) -> usize;

    /// Tells all that makes vectors comparable: embedders with the same key give the same vectors.
    fn key(&self) -> String {
        format!("{}/{}/{}", self.provider(), self.model(), self.dimensions())
    }

    /// Whom its calls are billed to, and with whose key they are made.
    fn payer(&self) -> Payer {
        Payer {
            account: self.provider().to_owned(),
            key: KeyOwner::Platform,
        }
    }

    /// The `tokenizer.json` by which the model counts its tokens, where it is within reach.
    fn tokenizer_file(&self) -> Option<&Path> {
        None
    }

    /// How many of `texts`, counted from the first, are embedded at once; at least 1 of any.
    ///
    /// Whoever embeds that many at a time loses no more than them when a call fails.
    fn batch_len(&self, texts: &[String]) -> usize {
        texts.len().max(1)
    }

    /// Whether a vector is worth keeping: `false` where it is made as fast as it is looked up.
    fn is_worth_keeping(&self) -> bool {
        true
    }

    /// One vector for each text, in their order; all or none, and any number of texts.
    ///
    /// # Errors
    /// Any [`Error`] of the provider.
    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error>;
}

/// Whom calls of an [`Embedder`] are billed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The account; see [`domain::LlmChoice::account`].
    pub account: String,
    /// Whose key the calls are made with.
    pub key: KeyOwner,
}

impl Payer {
    /// Of the embedder that a tenant's or the operator's `settings` name, called with a tenant's key
    /// or with the platform's.
    pub(crate) fn of(settings: &EmbeddingSettings, tenant_key: Option<&SecretString>) -> Self {
        let choice = LlmChoice {
            provider: settings.provider.clone(),
            base_url: settings.base_url.clone(),
            ..LlmChoice::default()
        };
        Self {
            account: choice.account(),
            key: match tenant_key {
                Some(_) => KeyOwner::Tenant,
                None => KeyOwner::Platform,
            },
        }
    }
}

/// What an [`Embedder`] made of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// One vector for each text.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens that the model read, all texts together; `None` if nobody counted, or
    /// counted what cannot be.
    pub tokens: Option<u64>,
}

impl Embedded {
    /// Adds what came of further texts. Tokens are known as long as those of every part are.
    fn append(&mut self, more: Self) {
        let is_first = self.vectors.is_empty();
        self.vectors.extend(more.vectors);
        self.tokens = match (self.tokens, more.tokens) {
            (None, tokens) if is_first => tokens,
            (Some(before), Some(tokens)) => Some(before + tokens),
            _ => None,
        };
    }
}

/// A server's count of the tokens that it read, unless no call takes as many.
fn believable(tokens: Option<u64>) -> Option<u64> {
    tokens.filter(|tokens| *tokens <= Usage::MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_add_up_while_all_are_known() {
        let part = |tokens| Embedded {
            vectors: vec![vec![1.0]],
            tokens,
        };
        let mut all = Embedded::default();
        all.append(part(Some(2)));
        all.append(part(Some(3)));
        assert_eq!((all.vectors.len(), all.tokens), (2, Some(5)));
        all.append(part(None));
        all.append(part(Some(1)));
        assert_eq!(all.tokens, None);
    }
}

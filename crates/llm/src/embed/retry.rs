use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Embedded, Embedder, Payer};
use crate::{Error, RetryPolicy};

/// An embedder that tries again what failed and may succeed, one batch at a time: what was made of
/// earlier batches is not made again.
pub struct RetryEmbeddings {
    inner: Arc<dyn Embedder>,
    policy: RetryPolicy,
}

impl RetryEmbeddings {
    /// As for answers, but for the longest wait that a provider may ask for: whoever embeds
    /// documents can wait without holding a connection and a place for it.
    pub const POLICY: RetryPolicy = RetryPolicy {
        retries: 2,
        first_wait: Duration::from_millis(500),
        longest_wait: Duration::from_secs(8),
        longest_retry_after: Duration::from_secs(10),
    };

    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Embedder>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    async fn embed_batch(&self, texts: &[String]) -> Result<Embedded, Error> {
        let mut retry = 0;
        loop {
            let error = match self.inner.embed(texts).await {
                Ok(embedded) => return Ok(embedded),
                Err(error) => error,
            };
            retry += 1;
            let Some(wait) = self.policy.wait(&error, retry) else {
                return Err(error);
            };
            tracing::debug!(
                provider = self.provider(), retry, wait_ms = wait.as_millis(), %error,
                "embedding again"
            );
            tokio::time::sleep(wait).await;
        }
    }
}

#[async_trait::async_trait]
impl Embedder for RetryEmbeddings {
    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn key(&self) -> String {
        self.inner.key()
    }

    fn payer(&self) -> Payer {
        self.inner.payer()
    }

    fn tokenizer_file(&self) -> Option<&Path> {
        self.inner.tokenizer_file()
    }

    fn batch_len(&self, texts: &[String]) -> usize {
        self.inner.batch_len(texts)
    }

    fn is_worth_keeping(&self) -> bool {
        self.inner.is_worth_keeping()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        let mut all = Embedded::default();
        let mut rest = texts;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(self.batch_len(rest).min(rest.len()));
            all.append(self.embed_batch(batch).await?);
            rest = after;
        }
        Ok(all)
    }
}

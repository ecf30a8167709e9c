use serde::Deserialize;
use serde_json::json;

use super::Embedder;
use crate::Error;
use crate::endpoint::Endpoint;

/// The most texts in one request: a server without a graphics card takes seconds for them.
const BATCH_TEXTS: usize = 64;
/// The most an answer may weigh: 64 vectors of 8192 written-out numbers, with room.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Embeddings of an Ollama server.
///
/// A text longer than the model reads loses its end there, for a vector of most of it is worth
/// more than none.
#[derive(Debug)]
pub struct OllamaEmbeddings {
    endpoint: Endpoint,
    model: String,
    dimensions: usize,
    keep_alive_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Vec<f32>>,
}

impl OllamaEmbeddings {
    /// A client for `model`, whose vectors have `dimensions` numbers.
    pub(crate) fn new(
        endpoint: Endpoint,
        model: &str,
        dimensions: usize,
        keep_alive_seconds: Option<u32>,
    ) -> Self {
        Self {
            endpoint,
            model: model.to_owned(),
            dimensions,
            keep_alive_seconds,
        }
    }

    async fn embed_batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        // An empty text gets no vector, a blank one does.
        let input = texts
            .iter()
            .map(|text| if text.is_empty() { " " } else { text });
        let input: Vec<&str> = input.collect();
        let mut body = json!({"model": self.model, "input": input, "truncate": true});
        if let Some(seconds) = self.keep_alive_seconds {
            body["keep_alive"] = json!(seconds);
        }
        self.endpoint.gate.opened().await;
        let answer: Answer = self
            .endpoint
            .post_for(&["api", "embed"], &body, ANSWER_BYTES)
            .await?;
        if answer.embeddings.len() != texts.len() {
            let (got, asked) = (answer.embeddings.len(), texts.len());
            let detail = format!("{got} vectors came for {asked} texts");
            return Err(self.endpoint.broken(&detail, None));
        }
        let mut vectors = answer.embeddings.iter();
        if let Some(odd) = vectors.find(|vector| vector.len() != self.dimensions) {
            let (got, asked) = (odd.len(), self.dimensions);
            let detail = format!("a vector has {got} numbers instead of {asked}");
            return Err(self.endpoint.broken(&detail, None));
        }
        Ok(answer.embeddings)
    }
}

#[async_trait::async_trait]
impl Embedder for OllamaEmbeddings {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH_TEXTS) {
            vectors.extend(self.embed_batch(batch).await?);
        }
        Ok(vectors)
    }
}

use serde::Deserialize;
use serde_json::json;

use super::{Embedded, Embedder, Payer, believable};
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
    payer: Payer,
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<u64>,
}

/// Models of Ollama's library and how many numbers their vectors have. Source: their pages in
/// ollama.com/library, 2026-11.
const MODELS: &[(&str, usize)] = &[
    ("nomic-embed-text", 768),
    ("mxbai-embed-large", 1024),
    ("bge-m3", 1024),
    ("all-minilm", 384),
];

impl OllamaEmbeddings {
    /// The model when settings name none.
    pub const DEFAULT_MODEL: &str = "nomic-embed-text";

    /// How many numbers the vectors of a model have, if it is a well-known one.
    pub fn dimensions_of(model: &str) -> Option<usize> {
        let family = model.split(':').next().unwrap_or_default();
        let known = MODELS.iter().find(|(name, _)| *name == family);
        known.map(|(_, dimensions)| *dimensions)
    }

    /// A client for `model`, whose vectors have `dimensions` numbers.
    pub(crate) const fn new(
        endpoint: Endpoint,
        model: String,
        dimensions: usize,
        keep_alive_seconds: Option<u32>,
        payer: Payer,
    ) -> Self {
        Self {
            endpoint,
            model,
            dimensions,
            keep_alive_seconds,
            payer,
        }
    }

    async fn embed_batch(&self, texts: &[String]) -> Result<Embedded, Error> {
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
        Ok(Embedded {
            vectors: answer.embeddings,
            tokens: believable(answer.prompt_eval_count),
        })
    }
}

#[async_trait::async_trait]
impl Embedder for OllamaEmbeddings {
    fn provider(&self) -> &'static str {
        self.endpoint.provider
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn key(&self) -> String {
        // Another server may serve anything under a well-known name.
        let (model, url) = (&self.model, &self.endpoint.base_url);
        format!("{}/{model}/{}@{url}", self.provider(), self.dimensions)
    }

    fn payer(&self) -> Payer {
        self.payer.clone()
    }

    fn batch_len(&self, texts: &[String]) -> usize {
        texts.len().clamp(1, BATCH_TEXTS)
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        let mut all = Embedded::default();
        for batch in texts.chunks(BATCH_TEXTS) {
            all.append(self.embed_batch(batch).await?);
        }
        Ok(all)
    }
}

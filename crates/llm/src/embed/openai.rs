use serde::Deserialize;
use serde_json::json;

use super::Embedder;
use crate::Error;
use crate::endpoint::Endpoint;

/// The most texts in one request. Source: openai `EmbeddingCreateParams`, 2026-11.
const BATCH_TEXTS: usize = 2048;
/// The most tokens in one request, all texts together. Source: as above.
const BATCH_TOKENS: usize = 300_000;
/// The most an answer may weigh: 2048 vectors of 3072 written-out numbers, with room.
const ANSWER_BYTES: usize = 192 * 1024 * 1024;

/// Embeddings of OpenAI, and of every server that speaks its format.
#[derive(Debug)]
pub struct OpenAiEmbeddings {
    endpoint: Endpoint,
    model: String,
    dimensions: usize,
}

impl OpenAiEmbeddings {
    /// A client for `model`, whose vectors have `dimensions` numbers.
    pub(crate) fn new(endpoint: Endpoint, model: &str, dimensions: usize) -> Self {
        Self {
            endpoint,
            model: model.to_owned(),
            dimensions,
        }
    }

    async fn embed_batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        // An empty text is refused, a blank one is not.
        let input = texts
            .iter()
            .map(|text| if text.is_empty() { " " } else { text });
        let input: Vec<&str> = input.collect();
        let mut body = json!({"model": self.model, "input": input, "encoding_format": "float"});
        if self.model.starts_with("text-embedding-3") {
            body["dimensions"] = json!(self.dimensions);
        }
        self.endpoint.gate.opened().await;
        let answer: Answer = self
            .endpoint
            .post_for(&["embeddings"], &body, ANSWER_BYTES)
            .await?;
        self.in_order(answer, texts.len())
    }

    fn in_order(&self, answer: Answer, count: usize) -> Result<Vec<Vec<f32>>, Error> {
        let broken = |detail: &str| self.endpoint.broken(detail, None);
        let mut vectors = vec![Vec::new(); count];
        for (at, item) in answer.data.into_iter().enumerate() {
            if item.embedding.len() != self.dimensions {
                return Err(broken(&format!(
                    "a vector has {} numbers instead of {}",
                    item.embedding.len(),
                    self.dimensions
                )));
            }
            let place = vectors.get_mut(item.index.unwrap_or(at));
            *place.ok_or_else(|| broken("it has more vectors than texts"))? = item.embedding;
        }
        if vectors.iter().any(Vec::is_empty) {
            return Err(broken("a vector is missing"));
        }
        Ok(vectors)
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[async_trait::async_trait]
impl Embedder for OpenAiEmbeddings {
    fn provider(&self) -> &str {
        self.endpoint.provider
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_len(rest));
            vectors.extend(self.embed_batch(batch).await?);
            rest = after;
        }
        Ok(vectors)
    }
}

/// How many of `texts`, at least one, fit in one request.
fn batch_len(texts: &[String]) -> usize {
    let mut tokens = 0;
    let fitting = texts.iter().take(BATCH_TEXTS).take_while(|text| {
        tokens += estimated_tokens(text);
        tokens <= BATCH_TOKENS
    });
    fitting.count().max(1)
}

/// Never too low for natural text: a token rarely has fewer than three bytes.
fn estimated_tokens(text: &str) -> usize {
    text.len().div_ceil(3) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_texts_and_by_tokens() {
        let short = vec!["a".to_owned(); 5000];
        assert_eq!(batch_len(&short), BATCH_TEXTS);
        let long = vec!["word ".repeat(512); 600];
        let batch = batch_len(&long);
        assert!(batch * estimated_tokens(&long[0]) <= BATCH_TOKENS);
        assert!((batch + 1) * estimated_tokens(&long[0]) > BATCH_TOKENS);
        assert_eq!(batch_len(&["x".repeat(2_000_000)]), 1);
    }
}

//! Embeddings of OpenAI, and of every server that speaks its format.

mod answer;
mod batch;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{Embedded, Embedder, Payer};
use crate::Error;
use crate::endpoint::Endpoint;
use crate::providers::Provider;
use answer::Answer;

/// The most an answer may weigh: 2048 vectors of 3072 written-out numbers, with room.
const ANSWER_BYTES: usize = 192 * 1024 * 1024;

/// Models whose vectors can be shorter than they are by nature.
const SHORTENED: &str = "text-embedding-3";

/// OpenAI's models and how many numbers their vectors have. Source:
/// developers.openai.com, guide "Vector embeddings", 2026-11.
const MODELS: &[(&str, usize)] = &[
    ("text-embedding-3-small", 1536),
    ("text-embedding-3-large", 3072),
    ("text-embedding-ada-002", 1536),
];

/// Embeddings of OpenAI, and of every server that speaks its format.
#[derive(Debug)]
pub struct OpenAiEmbeddings {
    endpoint: Endpoint,
    model: String,
    dimensions: usize,
    payer: Payer,
    /// Set once a server refused vectors in base64.
    only_numbers: AtomicBool,
}

impl OpenAiEmbeddings {
    /// The model when settings name none.
    pub const DEFAULT_MODEL: &str = "text-embedding-3-small";

    /// How many numbers the vectors of a model have, if it is one of OpenAI's.
    pub fn dimensions_of(model: &str) -> Option<usize> {
        let known = MODELS.iter().find(|(name, _)| *name == model);
        known.map(|(_, dimensions)| *dimensions)
    }

    /// A client for `model`, whose vectors have `dimensions` numbers.
    pub(crate) const fn new(
        endpoint: Endpoint,
        model: String,
        dimensions: usize,
        payer: Payer,
    ) -> Self {
        Self {
            endpoint,
            model,
            dimensions,
            payer,
            only_numbers: AtomicBool::new(false),
        }
    }

    /// Whether it is OpenAI itself, and not a server that speaks its format.
    fn is_own(&self) -> bool {
        let own = Provider::find("openai").and_then(|openai| openai.base_url.parse().ok());
        own.is_some_and(|own: url::Url| own.host() == self.endpoint.base_url.host())
    }

    async fn embed_batch(&self, texts: &[String]) -> Result<Embedded, Error> {
        let input: Vec<&str> = texts.iter().map(|text| self.fitting(text)).collect();
        let packed = !self.only_numbers.load(Ordering::Relaxed);
        match self.request(&input, packed).await {
            Err(Error::BadRequest { .. } | Error::Unsupported { .. })
                if packed && !self.is_own() =>
            {
                let embedded = self.request(&input, false).await?;
                self.only_numbers.store(true, Ordering::Relaxed);
                Ok(embedded)
            }
            embedded => embedded,
        }
    }

    /// The text as it may be sent: an empty one is refused, and so is one that is too long.
    fn fitting<'a>(&self, text: &'a str) -> &'a str {
        if text.is_empty() {
            return " ";
        }
        let cut = batch::cut(text);
        if cut.len() < text.len() {
            tracing::warn!(
                provider = self.endpoint.provider,
                model = self.model,
                bytes = text.len(),
                kept_bytes = cut.len(),
                "a text is too long to be embedded whole and was cut"
            );
        }
        cut
    }

    async fn request(&self, input: &[&str], packed: bool) -> Result<Embedded, Error> {
        // Packed vectors weigh a third of written-out ones.
        let format = if packed { "base64" } else { "float" };
        let mut body = json!({"model": self.model, "input": input, "encoding_format": format});
        if self.model.starts_with(SHORTENED) {
            body["dimensions"] = json!(self.dimensions);
        }
        self.endpoint.gate.opened().await;
        let answer: Answer = self
            .endpoint
            .post_for(&["embeddings"], &body, ANSWER_BYTES)
            .await?;
        answer
            .into_embedded(input.len(), self.dimensions)
            .map_err(|detail| self.endpoint.broken(&detail, None))
    }
}

#[async_trait::async_trait]
impl Embedder for OpenAiEmbeddings {
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
        let plain = format!("{}/{}/{}", self.provider(), self.model, self.dimensions);
        if self.is_own() {
            return plain;
        }
        // Another server may serve anything under a well-known name.
        format!("{plain}@{}", self.endpoint.base_url)
    }

    fn payer(&self) -> Payer {
        self.payer.clone()
    }

    fn batch_len(&self, texts: &[String]) -> usize {
        batch::len(texts)
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        let mut all = Embedded::default();
        let mut rest = texts;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch::len(rest));
            all.append(self.embed_batch(batch).await?);
            rest = after;
        }
        Ok(all)
    }
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use outbound::Client;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use url::Url;

use crate::endpoint::Endpoint;
use crate::{Auth, Error, Phase, Timeouts};

/// A customer waits: better the order that is there than a long wait for a finer one.
const TOTAL: Duration = Duration::from_secs(3);
/// The most an answer may weigh; servers that send the documents back are read too.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A model that tells how well documents answer a question, behind the `/rerank` that Cohere, Jina
/// and servers like theirs offer.
#[derive(Clone)]
pub struct RerankClient {
    endpoint: Endpoint,
    model: String,
}

impl fmt::Debug for RerankClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RerankClient")
            .field("endpoint", &self.endpoint)
            .field("model", &self.model)
            .finish()
    }
}

impl RerankClient {
    /// A client for `model` at `base_url`, the address that `/rerank` is added to. A tenant's address
    /// is reached through a guarded `client` alone.
    pub fn new(client: Client, base_url: Url, model: &str, key: Option<SecretString>) -> Self {
        Self {
            endpoint: Endpoint {
                provider: "rerank",
                base_url,
                auth: Auth::Bearer,
                headers: &[],
                key,
                client,
                timeouts: Timeouts::default(),
                gate: Arc::default(),
            },
            model: model.to_owned(),
        }
    }

    /// A score for each document, in their order, in the provider's measure; more is better.
    ///
    /// # Errors
    /// Any [`Error`] of the provider; [`Error::TimedOut`] after three seconds.
    pub async fn rerank(&self, question: &str, documents: &[&str]) -> Result<Vec<f64>, Error> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let body = json!({
            "model": self.model,
            "query": question,
            "documents": documents,
            "top_n": documents.len(),
        });
        let answer = async {
            let response = self.endpoint.post(&["rerank"], &body).await?;
            let body = outbound::read_capped(response, ANSWER_BYTES).await;
            body.map_err(|error| {
                self.endpoint
                    .broken("it did not come whole", Some(error.into()))
            })
        };
        let answer = timeout(TOTAL, answer)
            .await
            .map_err(|_| self.endpoint.timed_out(Phase::Total))??;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| {
            self.endpoint
                .broken("it cannot be read", Some(error.into()))
        })?;
        self.in_order(&answer, documents.len())
    }

    fn in_order(&self, answer: &Answer, count: usize) -> Result<Vec<f64>, Error> {
        let mut scores = vec![None; count];
        for result in &answer.results {
            let place = scores.get_mut(result.index);
            let broken = || {
                self.endpoint
                    .broken("it has more scores than documents", None)
            };
            *place.ok_or_else(broken)? = Some(result.relevance_score);
        }
        let missing = || self.endpoint.broken("a score is missing", None);
        scores
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(missing)
    }
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    relevance_score: f64,
}

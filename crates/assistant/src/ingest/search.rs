//! Finding the passages that fit a question.

use std::time::Instant;

use domain::{DocumentId, RerankMethod, RetrievalSettings, Source, TenantId};
use jobs::Failure;
use llm::RerankClient;
use rag::rerank::{Candidate, RerankError, Reranker};
use rag::retrieve::{Embedding, Question, Retrieval, Retrieved, builtin_reranker, find, rank};
use store::embedding_sets::{self, EmbeddingSet};

use super::sets;
use crate::{Assistant, TenantProfile};

/// A passage that fits, with its whole text.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Where it stands and how well it fits.
    pub source: Source,
    /// Its text.
    pub text: String,
}

/// Finds the passages of a tenant's documents that fit `query`, best first.
///
/// # Errors
/// A retry for what may pass.
pub async fn search(
    assistant: &Assistant,
    tenant: TenantId,
    query: &str,
    settings: &RetrievalSettings,
) -> Result<Vec<Passage>, Failure> {
    let found = retrieve(assistant, tenant, query, None, settings).await?;
    Ok(found
        .passages
        .into_iter()
        .zip(1..)
        .map(|(found, number)| as_passage(number, found))
        .collect())
}

/// Finds the passages that fit `query`, in these documents or in all of the tenant's, with every
/// partial score and the time that each step took.
///
/// The question is embedded by the model of the live set. If that cannot be done now, words alone
/// decide; if a provider's reranker cannot be asked, the fused order stays.
///
/// # Errors
/// A retry for what may pass.
pub async fn retrieve(
    assistant: &Assistant,
    tenant: TenantId,
    query: &str,
    documents: Option<&[DocumentId]>,
    settings: &RetrievalSettings,
) -> Result<Retrieval, Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let set = embedding_sets::find_live(&mut tx).await?;
    let provider = reranker(assistant, &mut tx, settings).await?;
    tx.commit().await?;
    let start = Instant::now();
    let vector = match &set {
        Some(set) => embed(assistant, tenant, set, query).await,
        None => None,
    };
    let embed_time = start.elapsed();
    let question = Question {
        text: query,
        embedding: set
            .as_ref()
            .zip(vector.as_deref())
            .map(|(set, vector)| Embedding { set, vector }),
        documents,
    };
    let mut tx = assistant.db.tenant(tenant).await?;
    let mut candidates = find(&mut tx, question, settings).await?;
    // Nobody waits for a provider in a transaction.
    tx.commit().await?;
    candidates.timings.embed = embed_time;
    let reranker = match &provider {
        Some(provider) => Some(provider as &dyn Reranker),
        None => builtin_reranker(settings),
    };
    Ok(rank(candidates, query, settings, reranker).await)
}

/// The question's vector by the set's model; `None` if it cannot be had now: words alone still find
/// much, so that is no reason to find nothing.
async fn embed(
    assistant: &Assistant,
    tenant: TenantId,
    set: &EmbeddingSet,
    query: &str,
) -> Option<Vec<f32>> {
    let embedder = sets::embedder_of(assistant, tenant, set)
        .await
        .inspect_err(|error| tracing::warn!(error = %error, "there is no embedder for the query"))
        .ok()?;
    let embedded = embedder
        .embed(&[query.to_owned()])
        .await
        .inspect_err(|error| tracing::warn!(error = %error, "the query could not be embedded"))
        .ok()?;
    embedded.vectors.into_iter().next()
}

/// The provider's reranker, where the tenant set one.
async fn reranker(
    assistant: &Assistant,
    tx: &mut db::TenantTx,
    settings: &RetrievalSettings,
) -> db::Result<Option<ProviderReranker>> {
    let (RerankMethod::Provider, Some(url)) = (settings.rerank, &settings.rerank_url) else {
        return Ok(None);
    };
    let key = TenantProfile::load(tx, &assistant.keyring)
        .await?
        .rerank_api_key;
    let client = assistant.guarded.clone();
    Ok(Some(ProviderReranker(RerankClient::new(
        client,
        url.clone(),
        &settings.rerank_model,
        key,
    ))))
}

/// A reranker that a tenant set.
struct ProviderReranker(RerankClient);

#[async_trait::async_trait]
impl Reranker for ProviderReranker {
    async fn rerank(
        &self,
        question: &str,
        candidates: &[Candidate<'_>],
    ) -> Result<Vec<f64>, RerankError> {
        let documents: Vec<String> = candidates
            .iter()
            .map(|candidate| match candidate.heading {
                Some(heading) => format!("{heading}\n{}", candidate.text),
                None => candidate.text.to_owned(),
            })
            .collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        Ok(self.0.rerank(question, &documents).await?)
    }
}

fn as_passage(number: u32, found: Retrieved) -> Passage {
    let score = found.scores.last();
    let passage = found.passage;
    Passage {
        source: Source {
            number,
            document_id: passage.document_id,
            chunk_id: passage.chunk_id,
            title: passage.title,
            page: passage.page,
            heading: passage.heading,
            score,
            excerpt: String::new(),
        },
        text: passage.text,
    }
}

//! Finding the passages that fit a question.

use std::time::Instant;

use domain::{DocumentId, RerankMethod, RetrievalSettings, Source, TenantId};
use jobs::Failure;
use llm::RerankClient;
use rag::rerank::{Candidate, RerankError, Reranker};
use rag::retrieve::{self, Embedding, Question, Retrieved, Timings, builtin_reranker, rank};
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

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Its words.
    pub text: &'a str,
    /// How passages are found and ranked.
    pub settings: &'a RetrievalSettings,
    /// Only passages of these documents; `None`: of all.
    pub documents: Option<&'a [DocumentId]>,
}

/// What was found, and how long it took.
#[derive(Clone, Debug)]
pub struct Found {
    /// The passages, best first.
    pub passages: Vec<Retrieved>,
    /// Whether vectors were searched, too; words alone decide while the embedder is away.
    pub by_vector: bool,
    /// How long each step took.
    pub timings: Timings,
}

impl Found {
    /// The passages, numbered from 1.
    pub fn into_passages(self) -> Vec<Passage> {
        self.passages
            .into_iter()
            .zip(1..)
            .map(|(found, number)| as_passage(number, found))
            .collect()
    }
}

/// Finds the passages of a tenant's documents that fit a query, with every partial score and the time
/// that each step took. All of them belong to the versions that were live at one moment: no search
/// meets half a document.
///
/// The query is embedded by the model of the live set. If that cannot be done now, words alone
/// decide; if a provider's reranker cannot be asked, the fused order stays.
///
/// # Errors
/// Those of the database.
pub async fn find(assistant: &Assistant, tenant: TenantId, query: &Query<'_>) -> db::Result<Found> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let set = embedding_sets::find_live(&mut tx).await?;
    let provider = reranker(assistant, &mut tx, query.settings).await?;
    tx.commit().await?;
    let start = Instant::now();
    let vector = match &set {
        Some(set) => embed(assistant, tenant, set, query.text).await,
        None => None,
    };
    let embed_time = start.elapsed();
    let question = Question {
        text: query.text,
        embedding: set
            .as_ref()
            .zip(vector.as_deref())
            .map(|(set, vector)| Embedding { set, vector }),
        documents: query.documents,
    };
    let mut tx = assistant.db.tenant_snapshot(tenant).await?;
    let mut candidates = retrieve::find(&mut tx, question, query.settings).await?;
    // Nobody waits for a provider in a transaction.
    tx.commit().await?;
    candidates.timings.embed = embed_time;
    let reranker = match &provider {
        Some(provider) => Some(provider as &dyn Reranker),
        None => builtin_reranker(query.settings),
    };
    let found = rank(candidates, query.text, query.settings, reranker).await;
    Ok(Found {
        passages: found.passages,
        by_vector: vector.is_some(),
        timings: found.timings,
    })
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
    let query = Query {
        text: query,
        settings,
        documents: None,
    };
    Ok(find(assistant, tenant, &query).await?.into_passages())
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

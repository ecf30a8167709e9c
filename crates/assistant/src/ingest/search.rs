//! Finding the passages that fit a question.

use std::sync::Arc;
use std::time::{Duration, Instant};

use db::TenantTx;
use domain::{CallPurpose, DocumentId, RerankMethod, RetrievalSettings, Source, TenantId};
use llm::manager::{Fault, KeyOwner};
use llm::{Embedder, Payer, RerankClient};
use rag::rerank::{Candidate, RerankError, Reranker};
use rag::retrieve::{self, Embedding, Question, Retrieved, Timings, builtin_reranker, rank};
use secrecy::SecretString;
use store::embedding_sets::{self, EmbeddingSet};

use super::sets;
use super::vectors::costs;
use crate::spending::{About, Calls, PlainCall, Verdict};
use crate::{Assistant, TenantProfile};

/// How long embedding a question may take. A customer waits: passages by their words alone are
/// better than none in time.
const PATIENCE: Duration = Duration::from_secs(3);

/// The provider, and account, of whatever reranker a tenant set.
const RERANK: &str = "rerank";

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

/// What a tenant's searches are made with, as it stood at one moment.
pub(crate) struct Means {
    set: Option<EmbeddingSet>,
    /// What makes the set's vectors; without it words alone decide.
    embedder: Option<Arc<dyn Embedder>>,
    rerank_key: Option<SecretString>,
}

impl Means {
    /// Reads them for a tenant that was just read.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn load(
        assistant: &Assistant,
        tx: &mut TenantTx,
        profile: &TenantProfile,
    ) -> db::Result<Self> {
        let set = embedding_sets::find_live(tx).await?;
        let embedder = set.as_ref().and_then(|set| {
            sets::embedder_for(assistant, profile, set)
                .inspect_err(|error| {
                    tracing::warn!(error = %error, "there is no embedder for queries");
                })
                .ok()
        });
        Ok(Self {
            set,
            embedder,
            rerank_key: profile.rerank_api_key.clone(),
        })
    }
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
/// The query is embedded by the model of the live set. If that cannot be done within three seconds,
/// or the month's budget is spent, words alone decide; if a provider's reranker cannot be asked, the
/// fused order stays.
///
/// # Errors
/// Those of the database.
pub async fn find(assistant: &Assistant, tenant: TenantId, query: &Query<'_>) -> db::Result<Found> {
    let (profile, means) = load(assistant, tenant).await?;
    // Dropped, it stores what was called by a task of its own: nobody waits for that.
    let calls = Calls::begin(
        assistant,
        About {
            tenant,
            purpose: CallPurpose::Search,
            conversation: None,
            budget: profile.settings.budget,
        },
    );
    find_by(assistant, tenant, &means, query, &calls).await
}

/// The same with calls to models noted in `calls`.
///
/// # Errors
/// Those of the database.
pub(crate) async fn find_counted(
    assistant: &Assistant,
    tenant: TenantId,
    query: &Query<'_>,
    calls: &Calls,
) -> db::Result<Found> {
    let (_, means) = load(assistant, tenant).await?;
    find_by(assistant, tenant, &means, query, calls).await
}

async fn load(assistant: &Assistant, tenant: TenantId) -> db::Result<(TenantProfile, Means)> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
    let means = Means::load(assistant, &mut tx, &profile).await?;
    tx.commit().await?;
    Ok((profile, means))
}

/// The same with means that were just read, and calls to models noted in `calls`.
///
/// # Errors
/// Those of the database.
pub(crate) async fn find_by(
    assistant: &Assistant,
    tenant: TenantId,
    means: &Means,
    query: &Query<'_>,
    calls: &Calls,
) -> db::Result<Found> {
    let pays = pays(means, query.settings, calls).await?;
    let provider = reranker(assistant, means, query.settings, calls).filter(|_| pays);
    let start = Instant::now();
    let vector = embed(means, query.text, calls, pays).await;
    let embed_time = start.elapsed();
    let question = Question {
        text: query.text,
        embedding: means
            .set
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

/// Whether providers may be called: not once the budget is spent, which is not asked where nobody
/// would be called.
async fn pays(means: &Means, settings: &RetrievalSettings, calls: &Calls) -> db::Result<bool> {
    let embeds = means.embedder.as_deref().is_some_and(costs);
    if !embeds && settings.rerank != RerankMethod::Provider {
        return Ok(true);
    }
    Ok(calls.look().await? == Verdict::Go)
}

/// The question's vector by the set's model; `None` if it cannot be had now: words alone still find
/// much, so that is no reason to find nothing.
async fn embed(means: &Means, query: &str, calls: &Calls, pays: bool) -> Option<Vec<f32>> {
    let embedder = means.embedder.as_deref()?;
    let texts = [query.to_owned()];
    let embedded = if costs(embedder) {
        if !pays {
            return None;
        }
        let patience = Some(PATIENCE);
        calls
            .embed(CallPurpose::Search, embedder, &texts, patience)
            .await
    } else {
        embedder.embed(&texts).await
    };
    let embedded = embedded
        .inspect_err(|error| tracing::warn!(error = %error, "the query could not be embedded"))
        .ok()?;
    embedded.vectors.into_iter().next()
}

/// The provider's reranker, where the tenant set one.
fn reranker<'c>(
    assistant: &Assistant,
    means: &Means,
    settings: &RetrievalSettings,
    calls: &'c Calls,
) -> Option<ProviderReranker<'c>> {
    let (RerankMethod::Provider, Some(url)) = (settings.rerank, &settings.rerank_url) else {
        return None;
    };
    let (client, key) = (assistant.guarded.clone(), means.rerank_key.clone());
    Some(ProviderReranker {
        payer: Payer {
            account: RERANK.to_owned(),
            key: match key {
                Some(_) => KeyOwner::Tenant,
                None => KeyOwner::Platform,
            },
        },
        client: RerankClient::new(client, url.clone(), &settings.rerank_model, key),
        model: settings.rerank_model.clone(),
        calls,
    })
}

/// A reranker that a tenant set.
struct ProviderReranker<'c> {
    client: RerankClient,
    payer: Payer,
    model: String,
    calls: &'c Calls,
}

#[async_trait::async_trait]
impl Reranker for ProviderReranker<'_> {
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
        let read: Vec<&str> = documents.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let ranked = self.client.rerank(question, &read).await;
        let call = PlainCall {
            provider: RERANK,
            payer: &self.payer,
            model: &self.model,
            texts: &documents,
            tokens: None,
            took: begun.elapsed(),
            fault: ranked.as_ref().err().map(Fault::of),
        };
        self.calls.made_for(CallPurpose::Rerank, &call);
        Ok(ranked?)
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

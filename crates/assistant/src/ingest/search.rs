//! Finding the passages that fit a question.

use std::time::{Duration, Instant};

use domain::{DocumentId, RetrievalSettings, Source, TenantId};
use jobs::Failure;
use rag::retrieve::{Embedding, Question, Retrieved, retrieve};

use crate::Assistant;

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
    /// How long the query took to be embedded.
    pub embed_time: Duration,
    /// How long the passages took to be found and ranked.
    pub retrieve_time: Duration,
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

/// Finds the passages of a tenant's documents that fit a query. All of them belong to the versions
/// that were live at one moment: no search meets half a document.
///
/// # Errors
/// Those of the database.
pub async fn find(assistant: &Assistant, tenant: TenantId, query: &Query<'_>) -> db::Result<Found> {
    let begun = Instant::now();
    let embedded = assistant.embedder.embed(&[query.text.to_owned()]).await;
    // Words alone still find much: an embedder that is away is no reason to find nothing.
    let vector = embedded
        .inspect_err(|error| tracing::warn!(error = %error, "the query could not be embedded"))
        .ok()
        .and_then(|mut vectors| vectors.pop());
    let embed_time = begun.elapsed();
    let model = assistant.embedder.model();
    let question = Question {
        text: query.text,
        embedding: vector.as_ref().map(|vector| Embedding { model, vector }),
        documents: query.documents,
    };
    let mut tx = assistant.db.tenant_snapshot(tenant).await?;
    let passages = retrieve(&mut tx, question, query.settings).await?;
    Ok(Found {
        passages,
        by_vector: vector.is_some(),
        embed_time,
        retrieve_time: begun.elapsed().saturating_sub(embed_time),
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

fn as_passage(number: u32, found: Retrieved) -> Passage {
    let Retrieved { passage, scores } = found;
    Passage {
        source: Source {
            number,
            document_id: passage.document_id,
            chunk_id: passage.chunk_id,
            title: passage.title,
            page: passage.page,
            heading: passage.heading,
            score: scores.score,
            excerpt: String::new(),
        },
        text: passage.text,
    }
}

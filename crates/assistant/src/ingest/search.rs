//! Finding the passages that fit a question.

use domain::{RetrievalSettings, Source, TenantId};
use jobs::Failure;
use rag::retrieve::{Embedding, Question, Retrieved, retrieve};

use super::embedder_of;
use crate::Assistant;

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
    let embedded = embed(assistant, tenant, query).await;
    let question = Question {
        text: query,
        embedding: embedded
            .as_ref()
            .map(|(model, vector)| Embedding { model, vector }),
    };
    let mut tx = assistant.db.tenant(tenant).await?;
    let found = retrieve(&mut tx, question, settings).await?;
    Ok(found
        .into_iter()
        .zip(1..)
        .map(|(found, number)| as_passage(number, found))
        .collect())
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

/// The question's vector and who made it. Words alone still find much: an embedder that is away, or
/// set up wrongly, is no reason to find nothing.
async fn embed(assistant: &Assistant, tenant: TenantId, query: &str) -> Option<(String, Vec<f32>)> {
    let embedder = embedder_of(assistant, tenant)
        .await
        .inspect_err(|error| tracing::warn!(error = %error, "there is no embedder for the query"))
        .ok()?;
    let embedded = embedder
        .embed(&[query.to_owned()])
        .await
        .inspect_err(|error| tracing::warn!(error = %error, "the query could not be embedded"))
        .ok()?;
    let vector = embedded.vectors.into_iter().next()?;
    Some((embedder.model().to_owned(), vector))
}

//! Searches over the live chunks of a tenant's enabled documents.

use db::{Result, TenantTx, Tx as _};
use domain::{ChunkId, DocumentId};
use pgvector::Vector;
use uuid::Uuid;

/// A chunk that a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// Its document.
    pub document_id: DocumentId,
    /// How well it fits, by the measure of the search; more is better.
    pub score: f64,
}

/// A live chunk with what an answer says of its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// Its document.
    pub document_id: DocumentId,
    /// The document's title, or its file name.
    pub title: String,
    /// Its words.
    pub text: String,
    /// Its tokens, estimated.
    pub token_count: i32,
    /// The page it starts on, from 1.
    pub page: Option<i32>,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// Position of its first char in the document's text.
    pub char_start: i32,
    /// Position after its last char.
    pub char_end: i32,
}

/// The chunks that share terms with `question`, the best by BM25 first. `terms` are those that
/// Postgres cannot find: pairs of chars of scripts without spaces. Only chunks of `documents`, if
/// they are given.
///
/// # Errors
/// Those of the database.
pub async fn by_keyword(
    tx: &mut TenantTx,
    question: &str,
    terms: &[String],
    documents: Option<&[DocumentId]>,
    limit: i64,
) -> Result<Vec<Found>> {
    let tenant = tx.tenant();
    let documents = documents.map(uuids);
    Ok(sqlx::query_file_as!(
        Found,
        "queries/search/keyword.sql",
        tenant.as_uuid(),
        question,
        terms,
        limit,
        documents.as_deref(),
    )
    .fetch_all(tx.conn())
    .await?)
}

fn uuids(documents: &[DocumentId]) -> Vec<Uuid> {
    documents.iter().map(|id| id.as_uuid()).collect()
}

/// The chunks whose embedding by `model` is nearest to `embedding`, the nearest first; `score` is
/// the cosine similarity, from -1 to 1, and at least `min_similarity`. Only chunks of `documents`, if
/// they are given.
///
/// Exact: measures every live chunk, about 4 ms for each thousand of them.
///
/// # Errors
/// Those of the database, among them an embedding of another dimension than the model's.
pub async fn by_vector(
    tx: &mut TenantTx,
    model: &str,
    embedding: Vec<f32>,
    min_similarity: f64,
    documents: Option<&[DocumentId]>,
    limit: i64,
) -> Result<Vec<Found>> {
    let tenant = tx.tenant();
    let embedding = Vector::from(embedding);
    let documents = documents.map(uuids);
    // Materialised, so that no vector of another model, and dimension, is ever measured. A vector
    // of zeros is near to nothing: its similarity is no number.
    Ok(sqlx::query_as!(
        Found,
        r#"
        WITH comparable AS MATERIALIZED (
            SELECT chunks.id, chunks.document_id, chunks.embedding
            FROM documents
            JOIN chunks ON chunks.tenant_id = $1
                AND chunks.document_id = documents.id
                AND chunks.version = documents.live_version
            WHERE documents.tenant_id = $1 AND documents.enabled AND chunks.embedding_model = $2
                AND ($6::uuid[] IS NULL OR documents.id = ANY ($6))
        ), measured AS MATERIALIZED (
            SELECT id, document_id, 1 - (embedding <=> $3) AS score
            FROM comparable
        )
        SELECT id AS "chunk_id!: ChunkId", document_id AS "document_id!: DocumentId",
            score AS "score!"
        FROM measured
        WHERE score >= $4 AND score <> 'NaN'
        ORDER BY score DESC, id
        LIMIT $5
        "#,
        tenant.as_uuid(),
        model,
        embedding as Vector,
        min_similarity,
        limit,
        documents.as_deref(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// The passages of these chunks, in no order; those that are not live any more are missing.
///
/// # Errors
/// Those of the database.
pub async fn list_passages(tx: &mut TenantTx, chunks: &[ChunkId]) -> Result<Vec<Passage>> {
    let tenant = tx.tenant();
    let ids: Vec<Uuid> = chunks.iter().map(|id| id.as_uuid()).collect();
    Ok(sqlx::query_as!(
        Passage,
        r#"
        SELECT chunks.id AS "chunk_id: ChunkId", chunks.document_id AS "document_id: DocumentId",
            coalesce(documents.title, documents.name) AS "title!",
            chunks.text, chunks.token_count, chunks.page, chunks.heading,
            chunks.char_start, chunks.char_end
        FROM chunks
        JOIN documents ON documents.tenant_id = $1 AND documents.id = chunks.document_id
            AND documents.live_version = chunks.version
        WHERE chunks.tenant_id = $1 AND chunks.id = ANY ($2) AND documents.enabled
        "#,
        tenant.as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?)
}

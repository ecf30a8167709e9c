//! Searches by vector over the live chunks of a tenant's enabled documents, and the passages that
//! searches found.

use db::{Result, TenantTx, Tx as _};
use domain::{ChunkId, DocumentId};
use pgvector::Vector;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::chunk_embeddings::has_index;
use crate::embedding_sets::{EmbeddingSet, IndexStatus};

/// What a search may take and how it walks an index of vectors: far enough that the best ten are
/// the true ones (97 of 100), and on, in about the order of distance, where a tenant's vectors are
/// rare in the index.
///
/// The planner takes the join to documents for so selective that it would rather measure and sort every
/// vector than walk the index (140 ms to 3 for 100,000). Where the sort is all that is in its way, it
/// walks; searches that have to sort do so all the same.
const LIMITS: &str = "
    SET LOCAL enable_sort = off;
    SET LOCAL statement_timeout = '5s';
    SET LOCAL hnsw.ef_search = 100;
    SET LOCAL hnsw.iterative_scan = 'relaxed_order';
    SET LOCAL hnsw.max_scan_tuples = 40000;
    SET LOCAL hnsw.scan_mem_multiplier = 4";

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
    /// Its place in the document, from 0.
    pub ordinal: i32,
    /// Position of its first char in the document's text.
    pub char_start: i32,
    /// Position after its last char.
    pub char_end: i32,
}

/// Where a chunk stands: document, version, ordinal.
pub type ChunkPlace = (DocumentId, i32, i32);

/// Nearest to what, and how many.
#[derive(Clone, Copy, Debug)]
pub struct VectorQuery<'a> {
    /// The question's vector.
    pub embedding: &'a [f32],
    /// The least cosine similarity, from -1 to 1.
    pub min_similarity: f64,
    /// Only these documents; `None`: all.
    pub documents: Option<&'a [DocumentId]>,
    /// How many chunks at most.
    pub limit: i64,
}

/// Bounds the searches of this transaction, five seconds for each, and has their indexes used.
///
/// # Errors
/// Those of the database.
pub async fn set_limits(tx: &mut TenantTx) -> Result<()> {
    sqlx::raw_sql(LIMITS).execute(tx.conn()).await?;
    Ok(())
}

/// The chunks whose vectors in the set are nearest to the question's, the nearest first; `score` is
/// the cosine similarity. A question of another dimension than the set's finds nothing.
///
/// A set that stands in an index is searched there; should the index bring too few, as it can where
/// most of it is other tenants', every vector is measured after all. So is a smaller set, and a
/// search of some documents.
///
/// # Errors
/// Those of the database.
pub async fn by_vector(
    tx: &mut TenantTx,
    set: &EmbeddingSet,
    query: &VectorQuery<'_>,
) -> Result<Vec<Found>> {
    if i32::try_from(query.embedding.len()).ok() != Some(set.dimensions) {
        return Ok(Vec::new());
    }
    let is_indexed = set.index_status == IndexStatus::Ready
        && query.documents.is_none()
        && has_index(set.dimensions);
    let mut found = if is_indexed {
        let found = by_index(tx, set, query).await?;
        let expected = query.limit.min(set.chunk_count).unsigned_abs();
        if (found.len() as u64) < expected {
            exactly(tx, set, query).await?
        } else {
            found
        }
    } else {
        exactly(tx, set, query).await?
    };
    // A vector of zeros is near to nothing: its similarity is no number.
    found.retain(|found| found.score >= query.min_similarity);
    Ok(found)
}

/// The statement that searches the index of vectors with that many numbers.
///
/// The order by the indexed expression finds the candidates, about in order; the whole vectors tell
/// how near these are.
pub fn index_statement(dimensions: i32) -> String {
    format!(
        "
        WITH nearest AS MATERIALIZED (
            SELECT chunk_embeddings.chunk_id, chunk_embeddings.document_id,
                   1 - (chunk_embeddings.embedding <=> $3) AS score
            FROM chunk_embeddings
            JOIN documents ON documents.tenant_id = $1
                AND documents.id = chunk_embeddings.document_id
                AND documents.live_version = chunk_embeddings.version
                AND documents.enabled
            WHERE chunk_embeddings.tenant_id = $1
              AND chunk_embeddings.set_id = $2
              AND chunk_embeddings.indexed_dimensions = {dimensions}
            ORDER BY chunk_embeddings.embedding::halfvec({dimensions})
                <=> $3::halfvec({dimensions})
            LIMIT $4
        )
        SELECT chunk_id, document_id, score
        FROM nearest
        ORDER BY score DESC, chunk_id
        "
    )
}

async fn by_index(
    tx: &mut TenantTx,
    set: &EmbeddingSet,
    query: &VectorQuery<'_>,
) -> Result<Vec<Found>> {
    let tenant = tx.tenant();
    // Safe: made of a number.
    let statement = AssertSqlSafe(index_statement(set.dimensions));
    let rows: Vec<(ChunkId, DocumentId, f64)> = sqlx::query_as(statement)
        .bind(tenant.as_uuid())
        .bind(set.id)
        .bind(Vector::from(query.embedding.to_vec()))
        .bind(query.limit)
        .fetch_all(tx.conn())
        .await?;
    let found = |(chunk_id, document_id, score)| Found {
        chunk_id,
        document_id,
        score,
    };
    Ok(rows.into_iter().map(found).collect())
}

async fn exactly(
    tx: &mut TenantTx,
    set: &EmbeddingSet,
    query: &VectorQuery<'_>,
) -> Result<Vec<Found>> {
    let tenant = tx.tenant();
    let embedding = Vector::from(query.embedding.to_vec());
    let documents: Option<Vec<Uuid>> = query
        .documents
        .map(|documents| documents.iter().map(|id| id.as_uuid()).collect());
    Ok(sqlx::query_file_as!(
        Found,
        "queries/search/exact.sql",
        tenant.as_uuid(),
        set.id,
        embedding as Vector,
        query.limit,
        documents.as_deref(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// The chunks at these places that searches see, each with the number of its place, from 0.
///
/// # Errors
/// Those of the database.
pub async fn list_chunks_at(
    tx: &mut TenantTx,
    places: &[ChunkPlace],
) -> Result<Vec<(usize, ChunkId)>> {
    let tenant = tx.tenant();
    let documents: Vec<Uuid> = places.iter().map(|place| place.0.as_uuid()).collect();
    let versions: Vec<i32> = places.iter().map(|place| place.1).collect();
    let ordinals: Vec<i32> = places.iter().map(|place| place.2).collect();
    let rows = sqlx::query!(
        r#"
        SELECT places.number AS "number!", chunks.id AS "id: ChunkId"
        FROM unnest($2::uuid[], $3::integer[], $4::integer[])
            WITH ORDINALITY AS places (document_id, version, ordinal, number)
        JOIN documents ON documents.tenant_id = $1
            AND documents.id = places.document_id
            AND documents.live_version = places.version
            AND documents.enabled
        JOIN chunks ON chunks.tenant_id = $1
            AND chunks.document_id = places.document_id
            AND chunks.version = places.version
            AND chunks.ordinal = places.ordinal
        "#,
        tenant.as_uuid(),
        &documents,
        &versions,
        &ordinals,
    )
    .fetch_all(tx.conn())
    .await?;
    let numbered = |(number, id): (i64, ChunkId)| Some((usize::try_from(number - 1).ok()?, id));
    Ok(rows
        .into_iter()
        .filter_map(|row| numbered((row.number, row.id)))
        .collect())
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
               coalesce(documents.title, documents.name) AS "title!", chunks.text,
               chunks.token_count, chunks.page, chunks.heading, chunks.ordinal, chunks.char_start,
               chunks.char_end
        FROM chunks
        JOIN documents ON documents.tenant_id = $1
            AND documents.id = chunks.document_id
            AND documents.live_version = chunks.version
        WHERE chunks.tenant_id = $1
          AND chunks.id = ANY ($2)
          AND documents.enabled
        "#,
        tenant.as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?)
}

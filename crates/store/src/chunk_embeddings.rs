//! Rows of `chunk_embeddings`: the vectors of the sets in
//! [`embedding_sets`](crate::embedding_sets).

use db::{Result, TenantTx, Tx as _};
use domain::{ChunkId, DocumentId};
use pgvector::Vector;
use uuid::Uuid;

use crate::embedding_sets::{EmbeddingSet, IndexStatus};

/// Dimensions that have an index; vectors of others are measured one by one.
pub const INDEXED_DIMENSIONS: [i32; 7] = [256, 384, 512, 768, 1024, 1536, 3072];

/// Whether vectors of that many numbers have an index.
pub fn has_index(dimensions: i32) -> bool {
    INDEXED_DIMENSIONS.contains(&dimensions)
}

/// A chunk that waits for its vector.
#[derive(Clone, Debug)]
pub struct Unembedded {
    /// Its id.
    pub id: ChunkId,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// Its words.
    pub text: String,
}

/// A run of chunks of one version: `count` of them from the ordinal `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The document.
    pub document_id: DocumentId,
    /// Its version.
    pub version: i32,
    /// The ordinal of the first chunk.
    pub first: i32,
    /// How many chunks.
    pub count: i32,
}

/// Adds vectors to a set that the transaction holds
/// ([`hold_active`](crate::embedding_sets::hold_active)); returns how many chunks were there to
/// take one. A chunk that has one in this set keeps it.
///
/// # Errors
/// Those of the database, among them a vector of another dimension than the set's, where the set is
/// indexed.
pub async fn insert_many(
    tx: &mut TenantTx,
    set: &EmbeddingSet,
    embeddings: Vec<(ChunkId, Vec<f32>)>,
) -> Result<u64> {
    let tenant = tx.tenant();
    let (ids, vectors): (Vec<Uuid>, Vec<Vector>) = embeddings
        .into_iter()
        .map(|(id, embedding)| (id.as_uuid(), Vector::from(embedding)))
        .unzip();
    let indexed = (set.index_status != IndexStatus::Absent).then_some(set.dimensions);
    let done = sqlx::query!(
        "
        INSERT INTO chunk_embeddings (
            set_id, chunk_id, tenant_id, document_id, version, indexed_dimensions, embedding
        )
        SELECT $2, chunks.id, $1, chunks.document_id, chunks.version, $5, given.embedding
        FROM unnest($3::uuid[], $4::vector[]) AS given (id, embedding)
        JOIN chunks ON chunks.tenant_id = $1
            AND chunks.id = given.id
        ON CONFLICT DO NOTHING
        ",
        tenant.as_uuid(),
        set.id,
        &ids,
        &vectors as &[Vector],
        indexed,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// The chunks of a run that have no vector in the set, in the order of the text.
///
/// # Errors
/// Those of the database.
pub async fn list_unembedded(tx: &mut TenantTx, set: i64, run: Run) -> Result<Vec<Unembedded>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Unembedded,
        r#"
        SELECT id AS "id: ChunkId", heading, text
        FROM chunks
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
          AND ordinal >= $4
          AND ordinal < $4 + $5
          AND NOT EXISTS (
              SELECT
              FROM chunk_embeddings
              WHERE chunk_embeddings.tenant_id = $1
                AND chunk_embeddings.set_id = $6
                AND chunk_embeddings.document_id = $2
                AND chunk_embeddings.version = $3
                AND chunk_embeddings.chunk_id = chunks.id
          )
        ORDER BY ordinal
        "#,
        tenant.as_uuid(),
        run.document_id.as_uuid(),
        run.version,
        run.first,
        run.count,
        set,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// How many chunks of a version have no vector in the set.
///
/// # Errors
/// Those of the database.
pub async fn count_unembedded(
    tx: &mut TenantTx,
    set: i64,
    document: DocumentId,
    version: i32,
) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT
            (
                SELECT count(*)
                FROM chunks
                WHERE tenant_id = $1
                  AND document_id = $2
                  AND version = $3
            ) - (
                SELECT count(*)
                FROM chunk_embeddings
                WHERE tenant_id = $1
                  AND set_id = $4
                  AND document_id = $2
                  AND version = $3
            ) AS "count!"
        "#,
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        set,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Puts up to `limit` vectors of a set into the index of their dimension, 2 ms each or so; returns
/// how many. Fewer than `limit` means that none is left.
///
/// # Errors
/// Those of the database.
pub async fn index_some(tx: &mut TenantTx, set: &EmbeddingSet, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        UPDATE chunk_embeddings
        SET indexed_dimensions = $3
        WHERE tenant_id = $1
          AND set_id = $2
          AND chunk_id IN (
              SELECT chunk_id
              FROM chunk_embeddings
              WHERE tenant_id = $1
                AND set_id = $2
                AND indexed_dimensions IS NULL
              LIMIT $4
          )
        ",
        tenant.as_uuid(),
        set.id,
        set.dimensions,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Takes up to `limit` vectors of a set out of the index of their dimension; returns how many.
/// Fewer than `limit` means that none is left.
///
/// # Errors
/// Those of the database.
pub async fn unindex_some(tx: &mut TenantTx, set: &EmbeddingSet, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        UPDATE chunk_embeddings
        SET indexed_dimensions = NULL
        WHERE tenant_id = $1
          AND set_id = $2
          AND chunk_id IN (
              SELECT chunk_id
              FROM chunk_embeddings
              WHERE tenant_id = $1
                AND set_id = $2
                AND indexed_dimensions IS NOT NULL
              LIMIT $3
          )
        ",
        tenant.as_uuid(),
        set.id,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

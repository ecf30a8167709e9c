//! Rows of `chunks`: the passages of documents.
//!
//! A version of a document is written whole, chunks, then their keyword index, then vectors, before
//! [`documents::switch_version`](crate::documents::switch_version) shows it to searches.

use db::{Result, TenantTx, Tx as _};
use domain::{ChunkId, DocumentId};

use crate::keyword_index;

/// A chunk to store.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Its id, made by the caller.
    pub id: ChunkId,
    /// Its place in the document, from 0.
    pub ordinal: i32,
    /// Its words.
    pub text: String,
    /// Its tokens, at least 1.
    pub token_count: i32,
    /// The page it starts on, from 1.
    pub page: Option<i32>,
    /// The headings it stands under.
    pub heading: Option<String>,
    /// Position of its first char in the extracted text.
    pub char_start: i32,
    /// Position after its last char.
    pub char_end: i32,
}

/// What one version of a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionCounts {
    /// Its chunks.
    pub chunk_count: i32,
    /// Terms of all its chunks, with repeats.
    pub term_count: i64,
}

/// One version of a document, with its number of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The document.
    pub document_id: DocumentId,
    /// The version.
    pub version: i32,
    /// Its chunks.
    pub chunk_count: i32,
}

/// Lists the versions whose chunks are all there, but for those that were replaced: the live ones, and
/// those that wait for vectors.
///
/// # Errors
/// Those of the database.
pub async fn list_versions(tx: &mut TenantTx) -> Result<Vec<Version>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Version,
        r#"
        SELECT chunks.document_id AS "document_id: DocumentId", chunks.version,
               count(*)::integer AS "chunk_count!"
        FROM documents
        JOIN chunks ON chunks.tenant_id = $1
            AND chunks.document_id = documents.id
            AND chunks.version IN (documents.live_version, documents.written_version)
        WHERE documents.tenant_id = $1
        GROUP BY chunks.document_id, chunks.version
        ORDER BY chunks.document_id, chunks.version
        "#,
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Stores chunks of one version, which searches do not see yet.
///
/// # Errors
/// The constraint `chunks_document_id_version_ordinal_key`, and those of the database. A second
/// try of the same version starts with [`delete_version`].
pub async fn insert_many(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    chunks: &[NewChunk],
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO chunks (
            id, tenant_id, document_id, version,
            ordinal, text, token_count, page, heading, char_start, char_end
        )
        SELECT id, $1, $2, $3, ordinal, text, token_count, page, heading, char_start, char_end
        FROM unnest(
            $4::uuid[], $5::integer[], $6::text[], $7::integer[],
            $8::integer[], $9::text[], $10::integer[], $11::integer[]
        ) AS found (id, ordinal, text, token_count, page, heading, char_start, char_end)
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        &column(chunks, |chunk| chunk.id.as_uuid()),
        &column(chunks, |chunk| chunk.ordinal),
        &column(chunks, |chunk| chunk.text.clone()),
        &column(chunks, |chunk| chunk.token_count),
        &column(chunks, |chunk| chunk.page) as &[Option<i32>],
        &column(chunks, |chunk| chunk.heading.clone()) as &[Option<String>],
        &column(chunks, |chunk| chunk.char_start),
        &column(chunks, |chunk| chunk.char_end),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Counts what a version holds, for [`documents::switch_version`](crate::documents::switch_version).
///
/// # Errors
/// Those of the database.
pub async fn count_version(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> Result<VersionCounts> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        VersionCounts,
        r#"
        SELECT
            (
                SELECT count(*)::integer
                FROM chunks
                WHERE tenant_id = $1 AND document_id = $2 AND version = $3
            ) AS "chunk_count!",
            (
                SELECT coalesce(sum(term_count), 0)::bigint
                FROM keyword_segments
                WHERE tenant_id = $1 AND document_id = $2 AND version = $3
            ) AS "term_count!"
        "#,
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Deletes up to `limit` chunks of versions older than the live one; returns how many. Fewer than
/// `limit` means that none is left.
///
/// # Errors
/// Those of the database.
pub async fn delete_outdated(tx: &mut TenantTx, document: DocumentId, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        DELETE FROM chunks
        WHERE tenant_id = $1 AND id IN (
            SELECT chunks.id
            FROM chunks
            JOIN documents ON documents.tenant_id = $1 AND documents.id = chunks.document_id
            WHERE chunks.tenant_id = $1 AND chunks.document_id = $2
                AND chunks.version < documents.live_version
            LIMIT $3
        )
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Deletes the chunks of a version that is not live, and their keyword index, so that it can be
/// written again; returns how many chunks.
///
/// # Errors
/// Those of the database.
pub async fn delete_version(tx: &mut TenantTx, document: DocumentId, version: i32) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        DELETE FROM chunks
        USING documents
        WHERE chunks.tenant_id = $1 AND chunks.document_id = $2 AND chunks.version = $3
            AND documents.tenant_id = $1 AND documents.id = $2
            AND documents.live_version IS DISTINCT FROM $3
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    keyword_index::delete_unseen(tx, document, version).await?;
    Ok(done.rows_affected())
}

/// One column of rows that go to the database as arrays.
fn column<T, U>(rows: &[T], pick: impl Fn(&T) -> U) -> Vec<U> {
    rows.iter().map(pick).collect()
}

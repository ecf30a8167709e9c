//! What a merge of segments reads and writes.

use db::{Result, TenantTx, Tx as _};
use domain::DocumentId;

use super::{Bucket, Removal, Segment};

/// Lists the live segments and locks them until the end of the transaction, in the order of their
/// ids; searches read on.
///
/// # Errors
/// Those of the database.
pub async fn lock_segments(tx: &mut TenantTx) -> Result<Vec<Segment>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Segment,
        "
        SELECT id, chunk_count, term_count, text_configs, bucket_bits, directory, lengths
        FROM keyword_segments
        WHERE tenant_id = $1
          AND live
        ORDER BY id
        FOR UPDATE
        ",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Lists the versions that count no more.
///
/// # Errors
/// Those of the database.
pub async fn list_removals(tx: &mut TenantTx) -> Result<Vec<Removal>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Removal,
        r#"
        SELECT keyword_removals.document_id AS "document_id: DocumentId",
               keyword_removals.version, keyword_removals.chunk_count,
               keyword_removals.term_count, documents.id IS NULL AS "is_final!"
        FROM keyword_removals
        LEFT JOIN documents ON documents.tenant_id = $1
            AND documents.id = keyword_removals.document_id
            AND documents.live_version = keyword_removals.version
        WHERE keyword_removals.tenant_id = $1
        "#,
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Lists a segment's buckets from `first` to `last`.
///
/// # Errors
/// Those of the database.
pub async fn list_buckets(
    tx: &mut TenantTx,
    segment: i64,
    first: i32,
    last: i32,
) -> Result<Vec<Bucket>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Bucket,
        "
        SELECT bucket, terms
        FROM keyword_postings
        WHERE tenant_id = $1
          AND segment_id = $2
          AND bucket BETWEEN $3 AND $4
        ",
        tenant.as_uuid(),
        segment,
        first,
        last,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// How many bytes the postings of these segments have.
///
/// # Errors
/// Those of the database.
pub async fn count_bytes(tx: &mut TenantTx, segments: &[i64]) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT coalesce(sum(octet_length(terms)), 0)::bigint AS "bytes!"
        FROM keyword_postings
        WHERE tenant_id = $1
          AND segment_id = ANY ($2)
        "#,
        tenant.as_uuid(),
        segments,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Deletes segments with their postings.
///
/// # Errors
/// Those of the database.
pub async fn delete_segments(tx: &mut TenantTx, segments: &[i64]) -> Result<u64> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "DELETE FROM keyword_segments WHERE tenant_id = $1 AND id = ANY ($2)",
        tenant.as_uuid(),
        segments,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Notes that chunks of a removed version are in no segment any more; once none is left, the
/// removal is forgotten.
///
/// # Errors
/// Those of the database.
pub async fn shrink_removal(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    chunk_count: i32,
    term_count: i64,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        WITH shrunk AS (
            UPDATE keyword_removals
            SET chunk_count = chunk_count - $4,
                term_count = term_count - $5
            WHERE tenant_id = $1
              AND document_id = $2
              AND version = $3
              AND chunk_count > $4
            RETURNING version
        )
        DELETE FROM keyword_removals
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
          AND NOT EXISTS (SELECT FROM shrunk)
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        chunk_count,
        term_count,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

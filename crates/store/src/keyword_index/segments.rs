//! Segments are written, and searches begin or cease to count them.

use db::{Result, TenantTx, Tx as _};
use domain::DocumentId;

use super::{Bucket, NewSegment, Read, Snapshot};

/// Reads the buckets of the given hashes, of 32 bits each, from every live segment, and what counts
/// no more: by one statement, so that a merge in between is seen whole or not at all.
///
/// # Errors
/// Those of the database.
pub async fn read(tx: &mut TenantTx, hashes: &[i64]) -> Result<Snapshot> {
    let tenant = tx.tenant();
    let rows = sqlx::query_file!("queries/search/keyword.sql", tenant.as_uuid(), hashes)
        .fetch_all(tx.conn())
        .await?;
    let mut snapshot = Snapshot::default();
    for row in rows {
        let (chunk_count, term_count) = (row.chunk_count, row.term_count);
        match (row.document_id, row.version) {
            (Some(document), Some(version)) => {
                let removal = (document, version, chunk_count, term_count);
                snapshot.removals.push(removal);
            }
            _ => snapshot.segments.push(Read {
                chunk_count,
                term_count,
                directory: row.directory.unwrap_or_default(),
                lengths: row.lengths.unwrap_or_default(),
                buckets: row.buckets.unwrap_or_default(),
            }),
        }
    }
    Ok(snapshot)
}

/// Stores a segment without its postings; returns its id.
///
/// # Errors
/// Those of the database.
pub async fn insert_segment(tx: &mut TenantTx, segment: &NewSegment) -> Result<i64> {
    let tenant = tx.tenant();
    let (document, version) = segment.version.unzip();
    Ok(sqlx::query_scalar!(
        "
        INSERT INTO keyword_segments (
            tenant_id, document_id, version, live, chunk_count, term_count, text_configs,
            bucket_bits, directory, lengths
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        RETURNING id
        ",
        tenant.as_uuid(),
        document.map(DocumentId::as_uuid),
        version,
        segment.version.is_none(),
        segment.chunk_count,
        segment.term_count,
        &segment.text_configs,
        segment.bucket_bits,
        segment.directory,
        segment.lengths,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Stores postings of a segment.
///
/// # Errors
/// Those of the database.
pub async fn insert_postings(tx: &mut TenantTx, segment: i64, buckets: &[Bucket]) -> Result<()> {
    let tenant = tx.tenant();
    let numbers: Vec<i32> = buckets.iter().map(|bucket| bucket.bucket).collect();
    let terms: Vec<&[u8]> = buckets.iter().map(|bucket| &bucket.terms[..]).collect();
    sqlx::query!(
        "
        INSERT INTO keyword_postings (segment_id, bucket, tenant_id, terms)
        SELECT $2, given.bucket, $1, given.terms
        FROM unnest($3::integer[], $4::bytea[]) AS given (bucket, terms)
        ",
        tenant.as_uuid(),
        segment,
        &numbers,
        &terms as &[&[u8]],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets the segments of a version count.
///
/// # Errors
/// Those of the database.
pub(crate) async fn show_version(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE keyword_segments
        SET live = true
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a document's live version, if it has one, counts no more.
///
/// # Errors
/// Those of the database.
pub(crate) async fn remove_live_version(tx: &mut TenantTx, document: DocumentId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO keyword_removals (tenant_id, document_id, version, chunk_count, term_count)
        SELECT $1, id, live_version, chunk_count, term_count
        FROM documents
        WHERE tenant_id = $1
          AND id = $2
          AND live_version IS NOT NULL
        ON CONFLICT DO NOTHING
        ",
        tenant.as_uuid(),
        document.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lets a document's live version count again.
///
/// # Errors
/// Those of the database.
pub(crate) async fn restore_live_version(tx: &mut TenantTx, document: DocumentId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        DELETE FROM keyword_removals
        USING documents
        WHERE keyword_removals.tenant_id = $1
          AND keyword_removals.document_id = $2
          AND documents.tenant_id = $1
          AND documents.id = $2
          AND keyword_removals.version = documents.live_version
        ",
        tenant.as_uuid(),
        document.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes the segments of a version that searches do not see.
///
/// # Errors
/// Those of the database.
pub(crate) async fn delete_unseen(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        DELETE FROM keyword_segments
        WHERE tenant_id = $1
          AND document_id = $2
          AND version = $3
          AND NOT live
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes the segments of every version of a document that searches do not see.
///
/// # Errors
/// Those of the database.
pub(crate) async fn delete_unseen_versions(tx: &mut TenantTx, document: DocumentId) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        DELETE FROM keyword_segments
        WHERE tenant_id = $1
          AND document_id = $2
          AND NOT live
        ",
        tenant.as_uuid(),
        document.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

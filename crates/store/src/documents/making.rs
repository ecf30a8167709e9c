//! From the wish for a version to the moment when searches see it.

use db::{Result, TenantTx, Tx as _};
use domain::{DocumentId, VersionState};

use super::{Document, Progress, Row, VersionFacts, hold};
use crate::{document_versions, keyword_index};

/// Asks for one more version of a document; what searches see stays until it is whole.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn request_version(tx: &mut TenantTx, id: DocumentId) -> Result<Document> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        r#"
        UPDATE documents
        SET latest_version = latest_version + 1,
            status = 'queued',
            error = NULL,
            waiting_because = NULL,
            stage = NULL,
            stage_done = NULL,
            stage_total = NULL,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
                  status, error, waiting_because, stage, stage_done, stage_total, enabled,
                  live_version, latest_version, title, author, page_count, chunk_count,
                  created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    document_versions::begin(tx, id, row.latest_version, VersionState::Queued).await?;
    row.try_into()
}

/// Notes that a version is being made; tells whether it is still the newest one asked for, and is
/// not made yet.
///
/// # Errors
/// Those of the database.
pub async fn mark_processing(tx: &mut TenantTx, id: DocumentId, version: i32) -> Result<bool> {
    let tenant = tx.tenant();
    let marked = sqlx::query!(
        "
        UPDATE documents
        SET status = 'processing',
            error = NULL,
            waiting_because = NULL,
            stage = NULL,
            stage_done = NULL,
            stage_total = NULL,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
          AND live_version IS DISTINCT FROM $3
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    if marked.rows_affected() == 0 {
        return Ok(false);
    }
    document_versions::begin(tx, id, version, VersionState::Processing).await?;
    Ok(true)
}

/// Notes why a version cannot be made; does nothing if a newer one was asked for, or if it is live
/// already.
///
/// # Errors
/// Those of the database.
pub async fn mark_failed(
    tx: &mut TenantTx,
    id: DocumentId,
    version: i32,
    error: &str,
) -> Result<bool> {
    let tenant = tx.tenant();
    let marked = sqlx::query!(
        "
        UPDATE documents
        SET status = 'failed',
            error = $4,
            waiting_because = NULL,
            stage = NULL,
            stage_done = NULL,
            stage_total = NULL,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
          AND live_version IS DISTINCT FROM $3
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        error,
    )
    .execute(tx.conn())
    .await?;
    if marked.rows_affected() == 0 {
        return Ok(false);
    }
    document_versions::fail(tx, id, version, error).await?;
    Ok(true)
}

/// Stores what reading a version told of the document; does nothing if a newer one was asked for,
/// or if it is live already.
///
/// # Errors
/// Those of the database.
pub async fn set_facts(
    tx: &mut TenantTx,
    id: DocumentId,
    version: i32,
    facts: &VersionFacts<'_>,
) -> Result<bool> {
    let tenant = tx.tenant();
    let stored = sqlx::query!(
        "
        UPDATE documents
        SET title = $4,
            author = $7,
            page_count = $5,
            text_config = $6,
            written_version = nullif(written_version, $3),
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
          AND live_version IS DISTINCT FROM $3
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        facts.title,
        facts.page_count,
        facts.text_config,
        facts.author,
    )
    .execute(tx.conn())
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Notes how far a version has come; does nothing if a newer one was asked for, or it is made.
///
/// # Errors
/// Those of the database.
pub async fn set_progress(
    tx: &mut TenantTx,
    id: DocumentId,
    version: i32,
    progress: Progress,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE documents
        SET stage = $4,
            stage_done = $5,
            stage_total = CASE WHEN $6::bigint IS NOT NULL THEN greatest($6, $5) END
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
          AND status = 'processing'
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        progress.stage.as_str(),
        progress.done,
        progress.total,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes how much of the stage that a version is in is still to be done.
///
/// # Errors
/// Those of the database.
pub async fn set_remaining(
    tx: &mut TenantTx,
    id: DocumentId,
    version: i32,
    remaining: i64,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE documents
        SET stage_done = greatest(stage_total - $4, 0),
            waiting_because = NULL
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
          AND status = 'processing'
          AND stage_total IS NOT NULL
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        remaining,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes what the making of a version waits for, for the document's owner, until it goes on.
///
/// # Errors
/// Those of the database.
pub async fn set_waiting(
    tx: &mut TenantTx,
    id: DocumentId,
    version: i32,
    because: &str,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE documents
        SET waiting_because = $4
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
          AND status = 'processing'
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        because,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that every chunk of a version is written: from now on it is whole once it has its vectors. A
/// try that begins anew, with [`set_facts`], takes that back.
///
/// # Errors
/// Those of the database.
pub async fn mark_written(tx: &mut TenantTx, id: DocumentId, version: i32) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE documents SET written_version = $3 WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether every chunk of a version is written.
///
/// # Errors
/// Those of the database.
pub async fn is_written(tx: &mut TenantTx, id: DocumentId, version: i32) -> Result<bool> {
    let tenant = tx.tenant();
    let written = sqlx::query_scalar!(
        "SELECT written_version FROM documents WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(written.flatten() == Some(version))
}

/// Makes a whole version the one that searches see, its keyword index included; does nothing if it
/// is not the newest one asked for, or is seen already.
///
/// What BM25 knows of the tenant's documents changes with it: the new version's segments count, the
/// old version's do not any more. Only rows of this document are written, so that documents of one
/// tenant do not wait for each other.
///
/// # Errors
/// Those of the database.
pub async fn switch_version(
    tx: &mut TenantTx,
    id: DocumentId,
    version: i32,
    chunk_count: i32,
    term_count: i64,
) -> Result<bool> {
    let tenant = tx.tenant();
    let Some(before) = hold(tx, id).await? else {
        return Ok(false);
    };
    if before.latest_version != version || before.live_version == Some(version) {
        return Ok(false);
    }
    keyword_index::remove_live_version(tx, id).await?;
    sqlx::query!(
        "
        UPDATE documents
        SET live_version = $3,
            status = 'ready',
            error = NULL,
            waiting_because = NULL,
            stage = NULL,
            stage_done = NULL,
            stage_total = NULL,
            chunk_count = $4,
            term_count = $5,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        chunk_count,
        term_count,
    )
    .execute(tx.conn())
    .await?;
    keyword_index::show_version(tx, id, version).await?;
    if !before.enabled {
        keyword_index::remove_live_version(tx, id).await?;
    }
    document_versions::go_live(tx, id, version, chunk_count).await?;
    Ok(true)
}

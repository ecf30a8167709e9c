use db::{Error, Result, TenantTx, Tx as _};
use domain::{DocumentId, VersionState};

use super::{Document, NewDocument, NewFile, Row, find_for_update};
use crate::{document_versions, keyword_index};

/// Creates a document in the state `queued`, with 1 as the version to be made.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut TenantTx, document: &NewDocument<'_>) -> Result<Document> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        r#"
        INSERT INTO documents (
            id, tenant_id, name, source, media_type, size_bytes, sha256, file_key
        )
        VALUES ($1, $2, $3, $8, $4, $5, $6, $7)
        RETURNING id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
                  status, error, waiting_because, stage, stage_done, stage_total, enabled,
                  live_version, latest_version, title, author, page_count, chunk_count,
                  created_at, updated_at
        "#,
        document.id.as_uuid(),
        tenant.as_uuid(),
        document.name,
        document.media_type,
        document.size_bytes,
        document.sha256,
        document.file_key,
        document.source.as_str(),
    )
    .fetch_one(tx.conn())
    .await?;
    document_versions::begin(tx, document.id, 1, VersionState::Queued).await?;
    row.try_into()
}

/// Gives a document another name, of 1 to 500 characters.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn rename(tx: &mut TenantTx, id: DocumentId, name: &str) -> Result<Document> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        UPDATE documents
        SET name = $3,
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
        name,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Lets searches see a document or hides it from them; `NotFound` aside, doing it twice changes
/// nothing.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn set_enabled(tx: &mut TenantTx, id: DocumentId, enabled: bool) -> Result<Document> {
    let tenant = tx.tenant();
    let document = sqlx::query_as!(
        Row,
        r#"
        UPDATE documents
        SET enabled = $3,
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
        enabled,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()?;
    if enabled {
        keyword_index::restore_live_version(tx, id).await?;
    } else {
        keyword_index::remove_live_version(tx, id).await?;
    }
    Ok(document)
}

/// Gives a document another file. The one before is the caller's to delete after the commit.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn set_file(tx: &mut TenantTx, id: DocumentId, file: &NewFile<'_>) -> Result<()> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        UPDATE documents
        SET media_type = $3,
            size_bytes = $4,
            sha256 = $5,
            file_key = $6,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        file.media_type,
        file.size_bytes,
        file.sha256,
        file.file_key,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Err(Error::NotFound);
    }
    Ok(())
}

/// Deletes a document with its chunks; returns the key of its file, which is the caller's to delete
/// after the commit, and empty if there is none.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, id: DocumentId) -> Result<Option<String>> {
    let tenant = tx.tenant();
    if find_for_update(tx, id).await?.is_none() {
        return Ok(None);
    }
    keyword_index::remove_live_version(tx, id).await?;
    keyword_index::delete_unseen_versions(tx, id).await?;
    Ok(sqlx::query_scalar!(
        "DELETE FROM documents WHERE tenant_id = $1 AND id = $2 RETURNING file_key",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?)
}

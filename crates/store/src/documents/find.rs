use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{Cursor, DocumentId, DocumentSource, DocumentStatus, Page, TenantId};
use uuid::Uuid;

use super::{Document, DocumentFilter, Row};

/// Finds a document of the tenant's.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: DocumentId) -> Result<Option<Document>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
               status, error, waiting_because, stage, stage_done, stage_total, enabled,
               live_version, latest_version, title, author, page_count, chunk_count,
               created_at, updated_at
        FROM documents
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Document::try_from)
    .transpose()
}

/// Gets a document of the tenant's.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx, id: DocumentId) -> Result<Document> {
    find(tx, id).await?.ok_or(Error::NotFound)
}

/// Finds a document of the tenant's and locks its row until the end of the transaction.
///
/// # Errors
/// Those of the database.
pub async fn find_for_update(tx: &mut TenantTx, id: DocumentId) -> Result<Option<Document>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
               status, error, waiting_because, stage, stage_done, stage_total, enabled,
               live_version, latest_version, title, author, page_count, chunk_count,
               created_at, updated_at
        FROM documents
        WHERE tenant_id = $1
          AND id = $2
        FOR UPDATE
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Document::try_from)
    .transpose()
}

/// Finds a document of the tenant's and keeps it as it stands until the end of the transaction.
/// Unlike [`find_for_update`], it lets others go on writing chunks of it.
///
/// # Errors
/// Those of the database.
pub async fn hold(tx: &mut TenantTx, id: DocumentId) -> Result<Option<Document>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
               status, error, waiting_because, stage, stage_done, stage_total, enabled,
               live_version, latest_version, title, author, page_count, chunk_count,
               created_at, updated_at
        FROM documents
        WHERE tenant_id = $1
          AND id = $2
        FOR NO KEY UPDATE
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Document::try_from)
    .transpose()
}

/// Lists the tenant's documents, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    filter: DocumentFilter<'_>,
    before: Option<DocumentId>,
    limit: usize,
) -> Result<Page<Document>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
               status, error, waiting_because, stage, stage_done, stage_total, enabled,
               live_version, latest_version, title, author, page_count, chunk_count,
               created_at, updated_at
        FROM documents
        WHERE tenant_id = $1
          AND ($2::text IS NULL OR status = $2)
          AND ($3::uuid IS NULL OR id < $3)
          AND ($5::text IS NULL OR source = $5)
          AND ($6::text IS NULL OR position(lower($6) IN lower(name)) > 0)
        ORDER BY id DESC
        LIMIT $4
        "#,
        tenant.as_uuid(),
        filter.status.map(DocumentStatus::as_str),
        before.map(DocumentId::as_uuid),
        crate::probe(limit),
        filter.source.map(DocumentSource::as_str),
        filter.name,
    )
    .fetch_all(tx.conn())
    .await?;
    let documents = rows
        .into_iter()
        .map(Document::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(documents, limit, |document| {
        Cursor::after(document.id)
    }))
}

/// Which of these documents are not there.
///
/// # Errors
/// Those of the database.
pub async fn list_missing(tx: &mut TenantTx, ids: &[DocumentId]) -> Result<Vec<DocumentId>> {
    let tenant = tx.tenant();
    let asked: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT asked.id AS "id!: DocumentId"
        FROM unnest($2::uuid[]) AS asked (id)
        WHERE NOT EXISTS (
            SELECT FROM documents WHERE documents.tenant_id = $1 AND documents.id = asked.id
        )
        "#,
        tenant.as_uuid(),
        &asked,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Lists the keys of a tenant's files, for when the tenant goes.
///
/// # Errors
/// Those of the database.
pub async fn list_file_keys(tx: &mut SystemTx, tenant: TenantId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT file_key FROM documents WHERE tenant_id = $1",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

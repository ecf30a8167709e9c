//! The addresses of documents that come from one.

use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx as _};
use domain::{DocumentId, TenantId};
use uuid::Uuid;

/// The address of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The document.
    pub document_id: DocumentId,
    /// Where its content is.
    pub url: String,
    /// How often it is looked at again, in seconds, 3600 at least; `None`: only when asked for.
    pub refresh_seconds: Option<i32>,
    /// The `ETag` of the content that is stored.
    pub etag: Option<String>,
    /// The `Last-Modified` of the content that is stored.
    pub last_modified: Option<String>,
    /// When it last gave the content, or said that it is unchanged.
    pub fetched_at: Option<DateTime<Utc>>,
    /// When it is looked at again.
    pub next_fetch_at: Option<DateTime<Utc>>,
    /// Why the last fetch failed.
    pub error: Option<String>,
}

/// Gives a new document its address.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    tx: &mut TenantTx,
    document: DocumentId,
    url: &str,
    refresh_seconds: Option<i32>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO document_sources (document_id, tenant_id, url, refresh_seconds)
        VALUES ($1, $2, $3, $4)
        ",
        document.as_uuid(),
        tenant.as_uuid(),
        url,
        refresh_seconds,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Finds the address of a document, if it has one.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, document: DocumentId) -> Result<Option<Source>> {
    Ok(list(tx, &[document]).await?.pop())
}

/// Lists the addresses of these documents, in no order.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut TenantTx, documents: &[DocumentId]) -> Result<Vec<Source>> {
    let tenant = tx.tenant();
    let ids: Vec<Uuid> = documents.iter().map(|id| id.as_uuid()).collect();
    Ok(sqlx::query_as!(
        Source,
        r#"
        SELECT document_id AS "document_id: DocumentId", url, refresh_seconds, etag,
               last_modified, fetched_at, next_fetch_at, error
        FROM document_sources
        WHERE tenant_id = $1
          AND document_id = ANY ($2)
        "#,
        tenant.as_uuid(),
        &ids,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Sets how often an address is looked at again, and when next; `false` if the document has none.
///
/// # Errors
/// Those of the database.
pub async fn set_refresh(
    tx: &mut TenantTx,
    document: DocumentId,
    refresh_seconds: Option<i32>,
    next_fetch_at: Option<DateTime<Utc>>,
) -> Result<bool> {
    let tenant = tx.tenant();
    let done = sqlx::query!(
        "
        UPDATE document_sources
        SET refresh_seconds = $3,
            next_fetch_at = $4
        WHERE tenant_id = $1
          AND document_id = $2
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        refresh_seconds,
        next_fetch_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What an address says of its content, to ask for it only if it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// Notes that an address gave its content, or said that it is unchanged.
///
/// # Errors
/// Those of the database.
pub async fn set_fetched(
    tx: &mut TenantTx,
    document: DocumentId,
    validators: &Validators,
    now: DateTime<Utc>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE document_sources
        SET etag = $3,
            last_modified = $4,
            fetched_at = $5,
            next_fetch_at = $5::timestamptz + make_interval(secs => refresh_seconds),
            error = NULL
        WHERE tenant_id = $1
          AND document_id = $2
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        validators.etag,
        validators.last_modified,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes why an address gave nothing; it is looked at again when its time comes.
///
/// # Errors
/// Those of the database.
pub async fn set_error(
    tx: &mut TenantTx,
    document: DocumentId,
    error: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE document_sources
        SET error = $3,
            next_fetch_at = $4::timestamptz + make_interval(secs => refresh_seconds)
        WHERE tenant_id = $1
          AND document_id = $2
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        error,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes up to `limit` addresses of any tenant that are due, and puts their next time off: whoever
/// takes one sees to it. Whatever another process is taking is left to it.
///
/// # Errors
/// Those of the database.
pub async fn take_due(
    tx: &mut SystemTx,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(TenantId, DocumentId)>> {
    let rows = sqlx::query!(
        r#"
        WITH due AS (
            SELECT document_id
            FROM document_sources
            WHERE next_fetch_at <= $1
            ORDER BY next_fetch_at
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        )
        UPDATE document_sources AS s
        SET next_fetch_at = $1::timestamptz + make_interval(secs => s.refresh_seconds)
        FROM due
        WHERE s.document_id = due.document_id
        RETURNING s.tenant_id AS "tenant_id: TenantId", s.document_id AS "document_id: DocumentId"
        "#,
        now,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id, row.document_id))
        .collect())
}

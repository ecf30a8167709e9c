//! Documents: uploaded files whose text answers draw on.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{Cursor, DocumentId, DocumentStatus, Page, TenantId};

use crate::keyword_index;

/// An uploaded file whose text answers draw on.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// The file's name as uploaded, 1 to 500 characters.
    pub name: String,
    /// The format it was recognised as.
    pub media_type: String,
    /// The file's size.
    pub size_bytes: i64,
    /// SHA-256 of the file.
    pub sha256: Vec<u8>,
    /// Where `files` keeps the bytes.
    pub file_key: String,
    /// Where it stands.
    pub status: DocumentStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether searches see it.
    pub enabled: bool,
    /// The version that searches see; `None` until the first one is whole.
    pub live_version: Option<i32>,
    /// The newest version asked for.
    pub latest_version: i32,
    /// Its title, where the file says one.
    pub title: Option<String>,
    /// Its pages, where it has any.
    pub page_count: Option<i32>,
    /// Passages of the live version.
    pub chunk_count: i32,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A document to be created, to wait for its first version.
#[derive(Clone, Debug)]
pub struct NewDocument<'a> {
    /// Its id.
    pub id: DocumentId,
    /// The file's name.
    pub name: &'a str,
    /// The format it was recognised as.
    pub media_type: &'a str,
    /// The file's size.
    pub size_bytes: i64,
    /// SHA-256 of the file.
    pub sha256: &'a [u8],
    /// Where `files` keeps the bytes.
    pub file_key: &'a str,
}

struct Row {
    id: DocumentId,
    name: String,
    media_type: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    file_key: String,
    status: String,
    error: Option<String>,
    enabled: bool,
    live_version: Option<i32>,
    latest_version: i32,
    title: Option<String>,
    page_count: Option<i32>,
    chunk_count: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Document {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let status = row
            .status
            .parse()
            .map_err(|_| Error::corrupt(format!("status of document {}", row.id)))?;
        Ok(Self {
            id: row.id,
            name: row.name,
            media_type: row.media_type,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            file_key: row.file_key,
            status,
            error: row.error,
            enabled: row.enabled,
            live_version: row.live_version,
            latest_version: row.latest_version,
            title: row.title,
            page_count: row.page_count,
            chunk_count: row.chunk_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Creates a document in the state `queued`, with 1 as the version to be made.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut TenantTx, document: &NewDocument<'_>) -> Result<Document> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        INSERT INTO documents (id, tenant_id, name, media_type, size_bytes, sha256, file_key)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id AS "id: DocumentId", name, media_type, size_bytes, sha256, file_key, status,
                  error, enabled, live_version, latest_version, title, page_count, chunk_count,
                  created_at, updated_at
        "#,
        document.id.as_uuid(),
        tenant.as_uuid(),
        document.name,
        document.media_type,
        document.size_bytes,
        document.sha256,
        document.file_key,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Finds a document of the tenant's.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: DocumentId) -> Result<Option<Document>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, media_type, size_bytes, sha256, file_key, status,
               error, enabled, live_version, latest_version, title, page_count, chunk_count,
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
        SELECT id AS "id: DocumentId", name, media_type, size_bytes, sha256, file_key, status,
               error, enabled, live_version, latest_version, title, page_count, chunk_count,
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

/// Lists the tenant's documents, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    status: Option<DocumentStatus>,
    before: Option<DocumentId>,
    limit: usize,
) -> Result<Page<Document>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, media_type, size_bytes, sha256, file_key, status,
               error, enabled, live_version, latest_version, title, page_count, chunk_count,
               created_at, updated_at
        FROM documents
        WHERE tenant_id = $1
          AND ($2::text IS NULL OR status = $2)
          AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC
        LIMIT $4
        "#,
        tenant.as_uuid(),
        status.map(DocumentStatus::as_str),
        before.map(DocumentId::as_uuid),
        crate::probe(limit),
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

/// Asks for one more version of a document; what searches see stays until it is whole.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn request_version(tx: &mut TenantTx, id: DocumentId) -> Result<Document> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        UPDATE documents
        SET latest_version = latest_version + 1,
            status = 'queued',
            error = NULL,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: DocumentId", name, media_type, size_bytes, sha256, file_key, status,
                  error, enabled, live_version, latest_version, title, page_count, chunk_count,
                  created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Notes that a version is being made; tells whether it is still the newest one asked for.
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
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(marked.rows_affected() == 1)
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
    Ok(marked.rows_affected() == 1)
}

/// What a version told of its document.
#[derive(Clone, Debug)]
pub struct VersionFacts<'a> {
    /// Its title, where the file says one.
    pub title: Option<&'a str>,
    /// Its pages, where it has any.
    pub page_count: Option<i32>,
    /// Postgres text search configuration of its language.
    pub text_config: &'a str,
}

/// Stores what reading a version told of the document; does nothing if a newer one was asked for.
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
            page_count = $5,
            text_config = $6,
            written_version = nullif(written_version, $3),
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND latest_version = $3
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        version,
        facts.title,
        facts.page_count,
        facts.text_config,
    )
    .execute(tx.conn())
    .await?;
    Ok(stored.rows_affected() == 1)
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
    let Some(before) = find_for_update(tx, id).await? else {
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
    Ok(true)
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
        RETURNING id AS "id: DocumentId", name, media_type, size_bytes, sha256, file_key, status,
                  error, enabled, live_version, latest_version, title, page_count, chunk_count,
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

/// Deletes a document with its chunks; returns the key of its file, which is the caller's to delete
/// after the commit.
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

//! Documents: files, pages and texts that answers draw on.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{
    Cursor, DocumentId, DocumentSource, DocumentStage, DocumentStatus, Page, TenantId, VersionState,
};
use uuid::Uuid;

use crate::{document_versions, keyword_index};

/// A file, page or text that answers draw on.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Its name, 1 to 500 characters: that of the file, where it is one.
    pub name: String,
    /// Where its content comes from.
    pub source: DocumentSource,
    /// The format it was recognised as; empty while there is no file.
    pub media_type: String,
    /// The file's size.
    pub size_bytes: i64,
    /// SHA-256 of the file.
    pub sha256: Vec<u8>,
    /// Where `files` keeps the bytes; empty while there are none, because its address was not
    /// fetched yet.
    pub file_key: String,
    /// Where it stands.
    pub status: DocumentStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// How far its newest version has come; `None` while nothing is done about it.
    pub progress: Option<Progress>,
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

/// How far the making of a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: DocumentStage,
    /// How much of it is done: pages, chunks or bytes, as the stage has it.
    pub done: i64,
    /// Of how much; `None` where nobody knows.
    pub total: Option<i64>,
}

/// A document to be created, to wait for its first version.
#[derive(Clone, Debug)]
pub struct NewDocument<'a> {
    /// Its id.
    pub id: DocumentId,
    /// Its name.
    pub name: &'a str,
    /// Where its content comes from.
    pub source: DocumentSource,
    /// The format it was recognised as.
    pub media_type: &'a str,
    /// The file's size.
    pub size_bytes: i64,
    /// SHA-256 of the file.
    pub sha256: &'a [u8],
    /// Where `files` keeps the bytes.
    pub file_key: &'a str,
}

/// Which documents a list shows; the default: all.
#[derive(Clone, Copy, Debug, Default)]
pub struct DocumentFilter<'a> {
    /// Those that stand so.
    pub status: Option<DocumentStatus>,
    /// Those from there.
    pub source: Option<DocumentSource>,
    /// Those whose name holds this, in any case.
    pub name: Option<&'a str>,
}

struct Row {
    id: DocumentId,
    name: String,
    source: String,
    media_type: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    file_key: String,
    status: String,
    error: Option<String>,
    stage: Option<String>,
    stage_done: Option<i64>,
    stage_total: Option<i64>,
    enabled: bool,
    live_version: Option<i32>,
    latest_version: i32,
    title: Option<String>,
    page_count: Option<i32>,
    chunk_count: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Row {
    fn progress(&self) -> Result<Option<Progress>> {
        let Some(stage) = &self.stage else {
            return Ok(None);
        };
        let stage = stage
            .parse()
            .map_err(|_| Error::corrupt(format!("stage of document {}", self.id)))?;
        Ok(Some(Progress {
            stage,
            done: self.stage_done.unwrap_or(0),
            total: self.stage_total,
        }))
    }
}

impl TryFrom<Row> for Document {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let status = row
            .status
            .parse()
            .map_err(|_| Error::corrupt(format!("status of document {}", row.id)))?;
        let source = row
            .source
            .parse()
            .map_err(|_| Error::corrupt(format!("source of document {}", row.id)))?;
        let progress = row.progress()?;
        Ok(Self {
            id: row.id,
            name: row.name,
            source,
            media_type: row.media_type,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            file_key: row.file_key,
            status,
            error: row.error,
            progress,
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
    let row = sqlx::query_as!(
        Row,
        r#"
        INSERT INTO documents (
            id, tenant_id, name, source, media_type, size_bytes, sha256, file_key
        )
        VALUES ($1, $2, $3, $8, $4, $5, $6, $7)
        RETURNING id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
                  status, error, stage, stage_done, stage_total, enabled, live_version,
                  latest_version, title, page_count, chunk_count, created_at, updated_at
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
               status, error, stage, stage_done, stage_total, enabled, live_version,
               latest_version, title, page_count, chunk_count, created_at, updated_at
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
               status, error, stage, stage_done, stage_total, enabled, live_version,
               latest_version, title, page_count, chunk_count, created_at, updated_at
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
    filter: DocumentFilter<'_>,
    before: Option<DocumentId>,
    limit: usize,
) -> Result<Page<Document>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
               status, error, stage, stage_done, stage_total, enabled, live_version,
               latest_version, title, page_count, chunk_count, created_at, updated_at
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
            stage = NULL,
            stage_done = NULL,
            stage_total = NULL,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: DocumentId", name, source, media_type, size_bytes, sha256, file_key,
                  status, error, stage, stage_done, stage_total, enabled, live_version,
                  latest_version, title, page_count, chunk_count, created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    document_versions::begin(tx, id, row.latest_version, VersionState::Queued).await?;
    row.try_into()
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
            stage = NULL,
            stage_done = NULL,
            stage_total = NULL,
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
                  status, error, stage, stage_done, stage_total, enabled, live_version,
                  latest_version, title, page_count, chunk_count, created_at, updated_at
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
                  status, error, stage, stage_done, stage_total, enabled, live_version,
                  latest_version, title, page_count, chunk_count, created_at, updated_at
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

/// A file that takes the place of a document's.
#[derive(Clone, Debug)]
pub struct NewFile<'a> {
    /// The format it was recognised as.
    pub media_type: &'a str,
    /// Its size.
    pub size_bytes: i64,
    /// SHA-256 of it.
    pub sha256: &'a [u8],
    /// Where `files` keeps the bytes.
    pub file_key: &'a str,
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
        SET stage_done = greatest(stage_total - $4, 0)
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

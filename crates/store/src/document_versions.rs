//! What became of each version of a document that was asked for.
//!
//! [`documents`](crate::documents) keeps these rows as it moves a document; they are for people to
//! read, and no search looks at them.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{Cursor, DocumentId, Page, VersionState};

/// How many versions of a document are remembered.
const KEPT: i32 = 100;

/// One indexing of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub version: i32,
    /// What became of it.
    pub state: VersionState,
    /// Its chunks; `None` until it is whole.
    pub chunk_count: Option<i32>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When a worker began it.
    pub started_at: Option<DateTime<Utc>>,
    /// When searches began to see it.
    pub live_at: Option<DateTime<Utc>>,
    /// When it failed, or another one took its place.
    pub ended_at: Option<DateTime<Utc>>,
}

struct Row {
    version: i32,
    state: String,
    chunk_count: Option<i32>,
    error: Option<String>,
    requested_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    live_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Version {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let state = row
            .state
            .parse()
            .map_err(|_| Error::corrupt(format!("state of version {}", row.version)))?;
        Ok(Self {
            version: row.version,
            state,
            chunk_count: row.chunk_count,
            error: row.error,
            requested_at: row.requested_at,
            started_at: row.started_at,
            live_at: row.live_at,
            ended_at: row.ended_at,
        })
    }
}

/// Notes that a version was asked for (`Queued`) or is being made (`Processing`). Those before it
/// that are not whole will never be.
///
/// # Errors
/// Those of the database.
pub(crate) async fn begin(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    state: VersionState,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO document_versions (document_id, version, tenant_id, state, started_at)
        VALUES ($1, $2, $3, $4, CASE $4 WHEN 'processing' THEN now() END)
        ON CONFLICT (document_id, version) DO UPDATE
        SET state = excluded.state,
            error = NULL,
            started_at = coalesce(document_versions.started_at, excluded.started_at),
            ended_at = NULL
        ",
        document.as_uuid(),
        version,
        tenant.as_uuid(),
        state.as_str(),
    )
    .execute(tx.conn())
    .await?;
    supersede(tx, document, version).await
}

async fn supersede(tx: &mut TenantTx, document: DocumentId, version: i32) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        WITH forgotten AS (
            DELETE FROM document_versions
            WHERE tenant_id = $1 AND document_id = $2 AND version <= $3::integer - $4::integer AND state <> 'live'
        )
        UPDATE document_versions
        SET state = 'superseded',
            ended_at = now()
        WHERE tenant_id = $1
          AND document_id = $2
          AND version < $3
          AND version > $3 - $4
          AND state IN ('queued', 'processing')
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
        KEPT,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes why a version cannot be made.
///
/// # Errors
/// Those of the database.
pub(crate) async fn fail(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    error: &str,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO document_versions (document_id, version, tenant_id, state, error, ended_at)
        VALUES ($1, $2, $3, 'failed', $4, now())
        ON CONFLICT (document_id, version) DO UPDATE
        SET state = excluded.state,
            error = excluded.error,
            ended_at = excluded.ended_at
        ",
        document.as_uuid(),
        version,
        tenant.as_uuid(),
        error,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a version is what searches see, in place of the one before.
///
/// # Errors
/// Those of the database.
pub(crate) async fn go_live(
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    chunk_count: i32,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        UPDATE document_versions
        SET state = CASE state WHEN 'live' THEN 'replaced' ELSE 'superseded' END,
            ended_at = now()
        WHERE tenant_id = $1
          AND document_id = $2
          AND version <> $3
          AND state IN ('live', 'queued', 'processing')
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        version,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "
        INSERT INTO document_versions (
            document_id, version, tenant_id, state, chunk_count, live_at
        )
        VALUES ($1, $2, $3, 'live', $4, now())
        ON CONFLICT (document_id, version) DO UPDATE
        SET state = excluded.state,
            chunk_count = excluded.chunk_count,
            error = NULL,
            live_at = excluded.live_at,
            ended_at = NULL
        ",
        document.as_uuid(),
        version,
        tenant.as_uuid(),
        chunk_count,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists the versions of a document, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    document: DocumentId,
    before: Option<i32>,
    limit: usize,
) -> Result<Page<Version>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "
        SELECT version, state, chunk_count, error, requested_at, started_at, live_at, ended_at
        FROM document_versions
        WHERE tenant_id = $1
          AND document_id = $2
          AND ($3::integer IS NULL OR version < $3)
        ORDER BY version DESC
        LIMIT $4
        ",
        tenant.as_uuid(),
        document.as_uuid(),
        before,
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let versions = rows
        .into_iter()
        .map(Version::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(versions, limit, |version| {
        Cursor::after(version.version)
    }))
}

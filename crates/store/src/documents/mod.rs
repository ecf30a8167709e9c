//! Documents: files, pages and texts that answers draw on.

mod change;
mod find;
mod making;

use chrono::{DateTime, Utc};
use db::{Error, Result};
use domain::{DocumentId, DocumentSource, DocumentStage, DocumentStatus};

pub use change::{delete, insert, rename, set_enabled, set_file};
pub use find::{find, find_for_update, get, hold, list, list_file_keys, list_missing};
pub use making::{
    is_written, mark_failed, mark_processing, mark_written, request_version, set_facts,
    set_progress, set_remaining, set_waiting, switch_version,
};

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
    /// What its newest version waits for, for its owner.
    pub waiting_because: Option<String>,
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
    /// Its author, where the file says one.
    pub author: Option<String>,
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

/// What a version told of its document.
#[derive(Clone, Debug)]
pub struct VersionFacts<'a> {
    /// Its title, where the file says one.
    pub title: Option<&'a str>,
    /// Its author, where the file says one.
    pub author: Option<&'a str>,
    /// Its pages, where it has any.
    pub page_count: Option<i32>,
    /// Postgres text search configuration of its language.
    pub text_config: &'a str,
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
    waiting_because: Option<String>,
    stage: Option<String>,
    stage_done: Option<i64>,
    stage_total: Option<i64>,
    enabled: bool,
    live_version: Option<i32>,
    latest_version: i32,
    title: Option<String>,
    author: Option<String>,
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
            waiting_because: row.waiting_because,
            progress,
            enabled: row.enabled,
            live_version: row.live_version,
            latest_version: row.latest_version,
            title: row.title,
            author: row.author,
            page_count: row.page_count,
            chunk_count: row.chunk_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

use chrono::{DateTime, Utc};
use domain::{DocumentSource, DocumentStage, DocumentStatus, VersionState};
use poem_openapi::{Enum, Object};
use store::document_sources::Source;
use store::document_versions::Version;
use store::documents::{Document, Progress};
use uuid::Uuid;

/// Where a document stands.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "DocumentStatus")]
pub(super) enum Status {
    /// Waits for a worker.
    Queued,
    /// Being fetched, read and indexed.
    Processing,
    /// Its newest version can be searched.
    Ready,
    /// Its newest version could not be made; `error` says why. Answers draw on the version before.
    Failed,
}

/// Where a document's content comes from.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "DocumentSource")]
pub(super) enum SourceKind {
    /// A file that was uploaded.
    File,
    /// An address that is fetched.
    Url,
    /// A text that was sent as such.
    Text,
}

/// What is being done to make a version.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "DocumentStage")]
enum Stage {
    /// Its address is asked for it.
    Fetching,
    /// Its file is turned into text and cut into passages.
    Reading,
    /// Its passages get their vectors.
    Embedding,
}

/// A file, page or text that answers draw on.
#[derive(Debug, Object)]
#[oai(rename = "Document")]
pub(super) struct DocumentView {
    /// Its id.
    id: Uuid,
    /// Its name: that of the file, where it is one.
    name: String,
    /// Where its content comes from.
    source: SourceKind,
    /// Its address, where it comes from one.
    url: Option<UrlView>,
    /// What its content was recognised as, such as `application/pdf`; `null` until its address was
    /// fetched.
    media_type: Option<String>,
    /// The size of its content.
    size_bytes: i64,
    /// Where it stands.
    status: Status,
    /// How far its newest version has come; `null` while nothing is being done.
    progress: Option<ProgressView>,
    /// Why its newest version could not be made, for people.
    error: Option<String>,
    /// What its newest version waits for, where it is more than its turn, such as a spent budget.
    waiting_because: Option<String>,
    /// Whether answers and searches draw on it.
    enabled: bool,
    /// Its title, where the file says one.
    title: Option<String>,
    /// Its author, where the file says one.
    author: Option<String>,
    /// Its pages, where it has any.
    page_count: Option<i32>,
    /// Passages that can be searched.
    chunk_count: i32,
    /// The version that searches see; `null` until the first one is whole.
    live_version: Option<i32>,
    /// The newest version asked for.
    latest_version: i32,
    /// When it was added.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// The address that a document comes from.
#[derive(Debug, Object)]
#[oai(rename = "DocumentUrl")]
pub(super) struct UrlView {
    /// The address.
    url: String,
    /// How often it is looked at again, in seconds; `null`: only when you have it indexed anew.
    refresh_seconds: Option<i32>,
    /// When it last gave its content, or said that it is unchanged.
    fetched_at: Option<DateTime<Utc>>,
    /// When it is looked at again.
    next_fetch_at: Option<DateTime<Utc>>,
    /// Why it last gave nothing, for people. The content from before stays.
    error: Option<String>,
}

/// How far the newest version of a document has come.
#[derive(Debug, Object)]
#[oai(rename = "DocumentProgress")]
struct ProgressView {
    /// What is being done.
    stage: Stage,
    /// How much of it is done, in pages or passages as the stage has it.
    done: i64,
    /// Of how much; `null` where nobody knows.
    total: Option<i64>,
}

/// A document whose work is queued.
#[derive(Debug, Object)]
pub(super) struct QueuedDocument {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    status: Status,
    /// The version that is being made.
    version: i32,
}

/// What became of a version.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "VersionState")]
enum State {
    /// Waits for a worker.
    Queued,
    /// Being made.
    Processing,
    /// What searches see.
    Live,
    /// Could not be made; `error` says why.
    Failed,
    /// Was live, until a newer one took its place.
    Replaced,
    /// A newer one was asked for before it was whole.
    Superseded,
}

/// One indexing of a document.
#[derive(Debug, Object)]
#[oai(rename = "DocumentVersion")]
pub(super) struct VersionView {
    /// Its number, from 1.
    version: i32,
    /// What became of it.
    state: State,
    /// Whether it is the one that answers draw on.
    live: bool,
    /// Its passages; `null` until it is whole.
    chunk_count: Option<i32>,
    /// Why it failed, for people.
    error: Option<String>,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// When a worker began it.
    started_at: Option<DateTime<Utc>>,
    /// When answers began to draw on it.
    live_at: Option<DateTime<Utc>>,
    /// When it failed, or another one took its place.
    ended_at: Option<DateTime<Utc>>,
}

pub(super) fn queued(document: &Document) -> QueuedDocument {
    QueuedDocument {
        id: document.id.as_uuid(),
        status: document.status.into(),
        version: document.latest_version,
    }
}

pub(super) fn view(document: Document, source: Option<Source>) -> DocumentView {
    let has_file = !document.media_type.is_empty();
    DocumentView {
        id: document.id.as_uuid(),
        name: document.name,
        source: document.source.into(),
        url: source.map(view_url),
        media_type: has_file.then_some(document.media_type),
        size_bytes: document.size_bytes,
        status: document.status.into(),
        progress: document.progress.map(view_progress),
        error: document.error,
        waiting_because: document.waiting_because,
        enabled: document.enabled,
        title: document.title,
        author: document.author,
        page_count: document.page_count,
        chunk_count: document.chunk_count,
        live_version: document.live_version,
        latest_version: document.latest_version,
        created_at: document.created_at,
        updated_at: document.updated_at,
    }
}

fn view_url(source: Source) -> UrlView {
    UrlView {
        url: source.url,
        refresh_seconds: source.refresh_seconds,
        fetched_at: source.fetched_at,
        next_fetch_at: source.next_fetch_at,
        error: source.error,
    }
}

fn view_progress(progress: Progress) -> ProgressView {
    ProgressView {
        stage: match progress.stage {
            DocumentStage::Fetching => Stage::Fetching,
            DocumentStage::Reading => Stage::Reading,
            DocumentStage::Embedding => Stage::Embedding,
        },
        done: progress.done,
        total: progress.total,
    }
}

pub(super) fn view_version(version: Version) -> VersionView {
    VersionView {
        version: version.version,
        state: match version.state {
            VersionState::Queued => State::Queued,
            VersionState::Processing => State::Processing,
            VersionState::Live => State::Live,
            VersionState::Failed => State::Failed,
            VersionState::Replaced => State::Replaced,
            VersionState::Superseded => State::Superseded,
        },
        live: version.state == VersionState::Live,
        chunk_count: version.chunk_count,
        error: version.error,
        requested_at: version.requested_at,
        started_at: version.started_at,
        live_at: version.live_at,
        ended_at: version.ended_at,
    }
}

impl From<DocumentStatus> for Status {
    fn from(status: DocumentStatus) -> Self {
        match status {
            DocumentStatus::Queued => Self::Queued,
            DocumentStatus::Processing => Self::Processing,
            DocumentStatus::Ready => Self::Ready,
            DocumentStatus::Failed => Self::Failed,
        }
    }
}

impl From<Status> for DocumentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Processing => Self::Processing,
            Status::Ready => Self::Ready,
            Status::Failed => Self::Failed,
        }
    }
}

impl From<DocumentSource> for SourceKind {
    fn from(source: DocumentSource) -> Self {
        match source {
            DocumentSource::File => Self::File,
            DocumentSource::Url => Self::Url,
            DocumentSource::Text => Self::Text,
        }
    }
}

impl From<SourceKind> for DocumentSource {
    fn from(kind: SourceKind) -> Self {
        match kind {
            SourceKind::File => Self::File,
            SourceKind::Url => Self::Url,
            SourceKind::Text => Self::Text,
        }
    }
}

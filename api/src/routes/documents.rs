use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{DocumentId, DocumentStatus, TenantId};
use jobs::kinds::IngestDocument;
use poem_openapi::param::{Path, Query};
use poem_openapi::{Enum, Object, OpenApi};
use store::documents::{self, Document, NewDocument};
use uuid::Uuid;

use super::Tag;
use super::upload::{Received, Upload};
use crate::answer::{Accepted, Answer, Done, Found, List};
use crate::auth::Auth;
use crate::payload::PageRequest;
use crate::{AppState, Problem};

/// Where a document stands.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "DocumentStatus")]
enum Status {
    /// Waits for a worker.
    Queued,
    /// Being read and indexed.
    Processing,
    /// Its newest version can be searched.
    Ready,
    /// Could not be read; `error` says why.
    Failed,
}

/// An uploaded file whose text answers draw on.
#[derive(Debug, Object)]
#[oai(rename = "Document")]
struct DocumentView {
    /// Its id.
    id: Uuid,
    /// The file's name.
    name: String,
    /// What the file was recognised as, such as `application/pdf`.
    media_type: String,
    /// The file's size.
    size_bytes: i64,
    /// Where it stands.
    status: Status,
    /// Why it could not be read, for people.
    error: Option<String>,
    /// Its title, where the file says one.
    title: Option<String>,
    /// Its pages or slides, where it has any.
    page_count: Option<i32>,
    /// Passages that can be searched.
    chunk_count: i32,
    /// The version that searches see; `null` until the first one is whole.
    live_version: Option<i32>,
    /// The newest version asked for.
    latest_version: i32,
    /// When it was uploaded.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// A document whose work is queued.
#[derive(Debug, Object)]
struct QueuedDocument {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    status: Status,
    /// The version that is being made.
    version: i32,
}

pub(crate) struct DocumentRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Documents")]
impl DocumentRoutes {
    /// Upload a document
    ///
    /// The answer comes once the file is stored; reading and indexing it follow. Watch `status`.
    #[oai(
        path = "/tenants/:tenant_id/documents",
        method = "post",
        operation_id = "create_document"
    )]
    async fn create(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        upload: Upload,
    ) -> Result<Accepted<QueuedDocument>, Problem> {
        let tenant = TenantId::from(tenant_id.0);
        let state = auth.0.state();
        // Asked first, and not held while the file comes in: that may take minutes.
        drop(auth.0.act_for(tenant).await?);
        let received = upload.receive(state, tenant).await?;
        match record(state, tenant, &received).await {
            Ok(document) => Ok(Answer(queued(&document))),
            Err(problem) => {
                delete_file(state, &received.stored.key.to_string()).await;
                Err(problem)
            }
        }
    }

    /// List a tenant's documents
    ///
    /// Newest first.
    #[oai(
        path = "/tenants/:tenant_id/documents",
        method = "get",
        operation_id = "list_documents"
    )]
    async fn list(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// Only those that stand so.
        status: Query<Option<Status>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<DocumentView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let status = status.0.map(DocumentStatus::from);
        Ok(List::of(
            documents::list(&mut tx, status, page.after, page.limit).await?,
            view,
        ))
    }

    /// Get a document
    #[oai(
        path = "/tenants/:tenant_id/documents/:document_id",
        method = "get",
        operation_id = "get_document"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The document.
        document_id: Path<Uuid>,
    ) -> Result<Found<DocumentView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        Ok(Answer(view(
            documents::get(&mut tx, document_id.0.into()).await?,
        )))
    }

    /// Delete a document
    ///
    /// With its file; answers draw on it no more.
    #[oai(
        path = "/tenants/:tenant_id/documents/:document_id",
        method = "delete",
        operation_id = "delete_document"
    )]
    async fn delete(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The document.
        document_id: Path<Uuid>,
    ) -> Result<Done, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let deleted = documents::delete(&mut tx, document_id.0.into()).await?;
        let file_key = deleted.ok_or_else(Problem::not_found)?;
        tx.commit().await?;
        delete_file(auth.0.state(), &file_key).await;
        Ok(Done)
    }

    /// Index a document anew
    ///
    /// Answers draw on the version that stands until the new one is whole.
    #[oai(
        path = "/tenants/:tenant_id/documents/:document_id/reindex",
        method = "post",
        operation_id = "reindex_document"
    )]
    async fn reindex(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The document.
        document_id: Path<Uuid>,
    ) -> Result<Accepted<QueuedDocument>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let document = documents::request_version(&mut tx, document_id.0.into()).await?;
        enqueue(&mut tx, &document).await?;
        tx.commit().await?;
        Ok(Answer(queued(&document)))
    }
}

/// Stores the row and its job in one transaction.
async fn record(
    state: &AppState,
    tenant: TenantId,
    received: &Received,
) -> Result<Document, Problem> {
    let stored = &received.stored;
    let mut tx = state.db.tenant(tenant).await?;
    let new = NewDocument {
        id: DocumentId::new(),
        name: &received.name,
        media_type: received.media_type.as_str(),
        size_bytes: i64::try_from(stored.size_bytes).unwrap_or(i64::MAX),
        sha256: &stored.sha256,
        file_key: &stored.key.to_string(),
    };
    let document = documents::insert(&mut tx, &new).await?;
    enqueue(&mut tx, &document).await?;
    tx.commit().await?;
    Ok(document)
}

async fn enqueue(tx: &mut TenantTx, document: &Document) -> Result<(), Problem> {
    let job = IngestDocument {
        tenant_id: tx.tenant(),
        document_id: document.id,
        version: document.latest_version,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(())
}

/// Deletes a file whose row is gone; one that stays is only in the way.
async fn delete_file(state: &AppState, key: &str) {
    let deleted = match key.parse() {
        Ok(key) => state
            .files
            .delete(&key)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(format!("{error}")),
    };
    if let Err(error) = deleted {
        tracing::error!(error, file.key = key, "a file nobody needs is still there");
    }
}

fn queued(document: &Document) -> QueuedDocument {
    QueuedDocument {
        id: document.id.as_uuid(),
        status: document.status.into(),
        version: document.latest_version,
    }
}

fn view(document: Document) -> DocumentView {
    DocumentView {
        id: document.id.as_uuid(),
        name: document.name,
        media_type: document.media_type,
        size_bytes: document.size_bytes,
        status: document.status.into(),
        error: document.error,
        title: document.title,
        page_count: document.page_count,
        chunk_count: document.chunk_count,
        live_version: document.live_version,
        latest_version: document.latest_version,
        created_at: document.created_at,
        updated_at: document.updated_at,
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

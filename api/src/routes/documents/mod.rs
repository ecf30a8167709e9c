//! Documents: added, listed, changed, indexed anew, deleted.

mod content;
mod view;

use domain::{DocumentId, TenantId};
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use store::documents::{self, DocumentFilter};
use store::{document_sources, document_versions};
use uuid::Uuid;

use super::Tag;
use crate::answer::{Accepted, Answer, Done, Found, List};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody, PageRequest};
use crate::{AppState, Problem};
use content::Content;
use view::{
    DocumentView, QueuedDocument, SourceKind, Status, VersionView, queued, view, view_version,
};

/// The longest name to look for, in characters.
const MAX_NAME_CHARS: usize = 500;

/// A change to a document; what is missing stays.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateDocument {
    /// What it is called, 1 to 500 characters.
    name: Option<String>,
    /// Whether answers and searches draw on it. A disabled document keeps its passages and is back at
    /// once when it is enabled.
    enabled: Option<bool>,
    /// How often its address is looked at again, in seconds, 3600 to 2592000; `null`: only when you
    /// have it indexed anew. For documents with an address.
    refresh_seconds: Option<i32>,
}

pub(crate) struct DocumentRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Documents")]
impl DocumentRoutes {
    /// Add a document
    ///
    /// Send a file as the field `file` of a form, or JSON: `{"url": …}` has an address fetched, and
    /// again whenever `refresh_seconds` are over; `{"name": …, "text": …}` is a text as it stands.
    ///
    /// The answer comes once the content is stored, or the address noted; fetching, reading and
    /// indexing follow. Watch `status` and `progress`, or subscribe to the events `document.ready` and
    /// `document.failed`.
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
        content: Content,
    ) -> Result<Accepted<QueuedDocument>, Problem> {
        let tenant = TenantId::from(tenant_id.0);
        let state = auth.0.state();
        // Asked first, and not held while the file comes in: that may take minutes.
        drop(auth.0.act_for(tenant).await?);
        let arrived = content.receive(state, tenant).await?;
        match arrived.record(state, tenant).await {
            Ok(document) => Ok(Answer(queued(&document))),
            Err(problem) => {
                // Else a row may lead to it, or the sweep of files finds it.
                let key = arrived.file_key().filter(|_| !problem.may_be_done());
                if let Some(key) = key {
                    delete_file(state, &key).await;
                }
                Err(problem)
            }
        }
    }

    /// List a tenant's documents
    ///
    /// Newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "poem-openapi describes each argument as a parameter"
    )]
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
        /// Only those whose content comes from there.
        source: Query<Option<SourceKind>>,
        /// Only those whose name holds this, in any case; 1 to 500 characters.
        name: Query<Option<String>>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<DocumentView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let mut checks = Checks::default();
        let name = name.0;
        let name = name.map(|name| checks.text("name", &name, MAX_NAME_CHARS));
        checks.finish()?;
        let filter = DocumentFilter {
            status: status.0.map(Into::into),
            source: source.0.map(Into::into),
            name: name.as_deref(),
        };
        let found = documents::list(&mut tx, filter, page.after, page.limit).await?;
        let ids: Vec<DocumentId> = found.data.iter().map(|document| document.id).collect();
        let mut sources = document_sources::list(&mut tx, &ids).await?;
        Ok(List::of(found, |document| {
            let at = sources
                .iter()
                .position(|source| source.document_id == document.id);
            let source = at.map(|at| sources.swap_remove(at));
            view(document, source)
        }))
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
        let document = documents::get(&mut tx, document_id.0.into()).await?;
        let source = document_sources::find(&mut tx, document.id).await?;
        Ok(Answer(view(document, source)))
    }

    /// Change a document
    ///
    /// What the body does not name stays as it is.
    #[oai(
        path = "/tenants/:tenant_id/documents/:document_id",
        method = "put",
        operation_id = "update_document"
    )]
    async fn update(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The document.
        document_id: Path<Uuid>,
        body: JsonBody<UpdateDocument>,
    ) -> Result<Found<DocumentView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let id = DocumentId::from(document_id.0);
        let sets_refresh = body.raw.get("refresh_seconds").is_some();
        let body = body.value;
        let mut checks = Checks::default();
        let name = body.name.as_ref();
        let name = name.map(|name| checks.text("name", name, MAX_NAME_CHARS));
        content::check_refresh(body.refresh_seconds, &mut checks);
        checks.finish()?;
        let mut document = documents::get(&mut tx, id).await?;
        if let Some(name) = &name {
            document = documents::rename(&mut tx, id, name).await?;
        }
        if let Some(enabled) = body.enabled {
            document = documents::set_enabled(&mut tx, id, enabled).await?;
        }
        if sets_refresh {
            let now = auth.0.state().clock.now();
            assistant::ingest::set_refresh(&mut tx, id, body.refresh_seconds, now).await?;
        }
        let source = document_sources::find(&mut tx, id).await?;
        tx.commit().await?;
        Ok(Answer(view(document, source)))
    }

    /// Delete a document
    ///
    /// With its content and its passages; answers draw on it no more.
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
        if !file_key.is_empty() {
            delete_file(auth.0.state(), &file_key).await;
        }
        Ok(Done)
    }

    /// Index a document anew
    ///
    /// Its address is fetched anew, where it has one. Answers draw on the version that stands until the
    /// new one is whole, and then on that alone; if the new one cannot be made the old one stays.
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
        let document = assistant::ingest::request_version(&mut tx, document_id.0.into()).await?;
        tx.commit().await?;
        Ok(Answer(queued(&document)))
    }

    /// List the versions of a document
    ///
    /// Newest first; the last hundred are remembered.
    #[oai(
        path = "/tenants/:tenant_id/documents/:document_id/versions",
        method = "get",
        operation_id = "list_document_versions"
    )]
    async fn list_versions(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The document.
        document_id: Path<Uuid>,
        /// Where the page starts: `next_cursor` of the one before.
        cursor: Query<Option<String>>,
        /// Entries of a page, 1 to 100; 20 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<List<VersionView>>, Problem> {
        let page = PageRequest::read(cursor.0, limit.0)?;
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let document = documents::get(&mut tx, document_id.0.into()).await?;
        let found = document_versions::list(&mut tx, document.id, page.after, page.limit).await?;
        Ok(List::of(found, view_version))
    }
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

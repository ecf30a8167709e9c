//! A document becomes searchable: read and cut in a child process, written and embedded run by run,
//! and made visible whole.

mod at_once;
mod embed;
pub mod fetch;
mod news;
mod read;
pub mod search;
mod sets;
mod stopped;
mod tend;
mod vectors;

use chrono::{DateTime, TimeDelta, Utc};
use db::TenantTx;
use domain::{DocumentId, DocumentSource};
use jobs::DeadJob;
use jobs::Job as _;
use jobs::kinds::{EmbedChunk, FetchSource, IngestDocument};
use store::documents::{self, Document};
use store::{chunks, document_sources};

use crate::Assistant;

pub use embed::{embed, embed_together};
pub use read::ingest;
pub use tend::{change_embedder, tend, tend_all};
pub use vectors::vectors_for;

/// How many chunks one `embed-chunk` job takes.
const RUN: usize = 64;

/// Asks for one more version of a document, of its file or of what its address gives; what searches
/// see stays until it is whole.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn request_version(tx: &mut TenantTx, document: DocumentId) -> db::Result<Document> {
    let document = documents::request_version(tx, document).await?;
    begin_version(tx, &document).await?;
    Ok(document)
}

/// Sets how often the address of a document is looked at again; `None`: never.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) if the document has no address, and those of the
/// database.
pub async fn set_refresh(
    tx: &mut TenantTx,
    document: DocumentId,
    refresh_seconds: Option<i32>,
    now: DateTime<Utc>,
) -> Result<(), crate::Error> {
    let source = document_sources::find(tx, document).await?;
    let Some(source) = source else {
        let why = "Only a document with an address is looked at again.";
        return Err(crate::Error::Refused(why.to_owned()));
    };
    // By when the content is from; a first fetch sets its own.
    let next = refresh_seconds.zip(source.fetched_at).map(|(seconds, at)| {
        let next = at + TimeDelta::seconds(seconds.into());
        next.max(now)
    });
    document_sources::set_refresh(tx, document, refresh_seconds, next).await?;
    Ok(())
}

/// Enqueues the work on the newest version of a document.
///
/// # Errors
/// Those of the database.
pub async fn begin_version(tx: &mut TenantTx, document: &Document) -> db::Result<()> {
    match document.source {
        DocumentSource::Url => {
            let fetch = FetchSource {
                tenant_id: tx.tenant(),
                document_id: document.id,
                version: Some(document.latest_version),
            };
            jobs::enqueue(tx, &fetch).await?;
            Ok(())
        }
        DocumentSource::File | DocumentSource::Text => {
            enqueue_ingest(tx, document.id, document.latest_version).await
        }
    }
}

async fn enqueue_ingest(
    tx: &mut TenantTx,
    document_id: DocumentId,
    version: i32,
) -> db::Result<()> {
    let ingest = IngestDocument {
        tenant_id: tx.tenant(),
        document_id,
        version,
    };
    jobs::enqueue(tx, &ingest).await?;
    Ok(())
}

/// Makes the death of a document's job visible on the document, in the transaction that buries it.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(assistant: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let job = &dead.job;
    let (document, version) = match job.kind {
        IngestDocument::KIND => match job.decode::<IngestDocument>() {
            Ok(job) => {
                // Runs that were written before it died; nothing embeds them.
                chunks::delete_version(tx, job.document_id, job.version).await?;
                (job.document_id, job.version)
            }
            Err(_) => return Ok(()),
        },
        _ => match job.decode::<EmbedChunk>() {
            Ok(job) => (job.document_id, job.version),
            Err(_) => return Ok(()),
        },
    };
    // The cause is the operator's to read; the tenant learns what to do.
    let error = match documents::find(tx, document).await? {
        Some(Document {
            waiting_because: Some(because),
            ..
        }) => format!("{because} Index it again once that is mended."),
        _ => "The document could not be indexed. Try to index it again.".to_owned(),
    };
    news::fail(assistant, tx, document, version, &error).await
}

/// Counts within one document: the extractor caps its text far below the limit.
fn as_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

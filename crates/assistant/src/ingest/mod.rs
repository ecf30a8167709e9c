//! A document becomes searchable: read and cut in a child process, written and embedded run by run,
//! and made visible whole.

mod embed;
mod read;
pub mod search;
mod sets;
mod tend;
mod vectors;

use db::TenantTx;
use jobs::DeadJob;
use jobs::Job as _;
use jobs::kinds::{EmbedChunk, IngestDocument};
use store::{chunks, documents};

use crate::Assistant;

pub use embed::{embed, embed_together};
pub use read::ingest;
pub use tend::{tend, tend_all};
pub use vectors::{EmbeddingUsage, Stopped, Vectors, vectors_for, vectors_so_far};

/// How many chunks one `embed-chunk` job takes.
const RUN: usize = 64;

/// Makes the death of a document's job visible on the document, in the transaction that buries it.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(_assistant: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
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
    let error = "The document could not be indexed. Try to index it again.";
    documents::mark_failed(tx, document, version, error).await?;
    Ok(())
}

/// Counts within one document: the extractor caps its text far below the limit.
fn as_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

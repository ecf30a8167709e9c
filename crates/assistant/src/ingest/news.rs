//! What becomes of documents, told to whoever wants to know.

use db::TenantTx;
use domain::DocumentId;
use events::{DocumentData, Event};
use store::documents;

use crate::Assistant;

/// Makes a version `failed`, with the reason for its owner; does nothing if a newer one was asked
/// for.
pub(super) async fn fail(
    assistant: &Assistant,
    tx: &mut TenantTx,
    document: DocumentId,
    version: i32,
    reason: &str,
) -> db::Result<()> {
    if !documents::mark_failed(tx, document, version, reason).await? {
        return Ok(());
    }
    let document = documents::get(tx, document).await?;
    let data = DocumentData::of(&document, assistant.clock.now());
    events::emit(tx, &[Event::DocumentFailed(data)], &assistant.clock).await
}

/// Tells that a version can be searched.
pub(super) async fn tell_ready(
    assistant: &Assistant,
    tx: &mut TenantTx,
    document: DocumentId,
) -> db::Result<()> {
    let document = documents::get(tx, document).await?;
    let data = DocumentData::of(&document, assistant.clock.now());
    events::emit(tx, &[Event::DocumentReady(data)], &assistant.clock).await
}

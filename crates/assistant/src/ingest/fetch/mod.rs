//! A document that comes from an address: asked for its content, which is stored and indexed where it
//! changed.

mod download;

use db::TenantTx;
use domain::DocumentStage;
use jobs::kinds::FetchSource;
use jobs::{DeadJob, Failure, JobHandle};
use store::document_sources::{self, Source, Validators};
use store::documents::{self, Document, NewFile, Progress};
use url::Url;

use super::news;
use crate::deliver::is_outage;
use crate::{Assistant, Error};
use download::{Content, Found, Trouble};

/// How many due addresses are taken by one statement.
const DUE_BATCH: usize = 200;

/// Asks the address of a document for its content. What changed, or was asked for, is indexed.
///
/// What the address cannot give is no error of the job: the document says why.
///
/// # Errors
/// A retry for what may pass.
pub async fn fetch(
    assistant: &Assistant,
    handle: &JobHandle,
    job: FetchSource,
) -> Result<(), Failure> {
    let Some((document, source)) = begin(assistant, handle, &job).await? else {
        return Ok(());
    };
    let validators = if document.file_key.is_empty() {
        Validators::default()
    } else {
        Validators {
            etag: source.etag.clone(),
            last_modified: source.last_modified.clone(),
        }
    };
    handle.check_lease()?;
    let found = match source.url.parse::<Url>() {
        Ok(url) => download::ask(assistant, job.tenant_id, url, &validators).await,
        Err(_) => Err(Trouble::Lasting("The address is not a URL.".to_owned())),
    };
    match found {
        Ok(Found::Unchanged) if document.file_key.is_empty() => {
            refuse(assistant, handle, &job, "The address gave no content.").await
        }
        Ok(Found::Unchanged) => keep(assistant, handle, &job, &validators).await,
        Ok(Found::Content(content)) if is_known(&document, &content) => {
            discard(assistant, &content.stored.key.to_string()).await;
            keep(assistant, handle, &job, &content.validators).await
        }
        Ok(Found::Content(content)) => {
            let key = content.stored.key.to_string();
            let replaced = replace(assistant, handle, &job, &content).await;
            match &replaced {
                Ok(true) if document.file_key.is_empty() => {}
                Ok(true) => discard(assistant, &document.file_key).await,
                // It may be the document's by now; else the sweep of files finds it.
                Err(failure) if is_outage(failure) => {}
                Ok(false) | Err(_) => discard(assistant, &key).await,
            }
            replaced.map(drop)
        }
        Err(Trouble::Lasting(reason)) => refuse(assistant, handle, &job, &reason).await,
        Err(Trouble::Passing { reason, after }) => {
            let mut tx = assistant.db.tenant(job.tenant_id).await?;
            let now = assistant.clock.now();
            document_sources::set_error(&mut tx, job.document_id, &reason, now).await?;
            tx.commit().await?;
            let error = Error::Refused(reason);
            Err(match after {
                Some(after) => Failure::retry_after(after, error),
                None => Failure::retry(error),
            })
        }
    }
}

/// Finds what is to be fetched; `None` if nobody wants it any more.
async fn begin(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchSource,
) -> Result<Option<(Document, Source)>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let id = job.document_id;
    let Some(document) = documents::find(&mut tx, id).await? else {
        return Ok(None);
    };
    let Some(source) = document_sources::find(&mut tx, id).await? else {
        return Ok(None);
    };
    if let Some(version) = job.version {
        if !documents::mark_processing(&mut tx, id, version).await? {
            return Ok(None);
        }
        let fetching = Progress {
            stage: DocumentStage::Fetching,
            done: 0,
            total: None,
        };
        documents::set_progress(&mut tx, id, version, fetching).await?;
    }
    tx.commit().await?;
    Ok(Some((document, source)))
}

fn is_known(document: &Document, content: &Content) -> bool {
    !document.file_key.is_empty() && document.sha256 == content.stored.sha256
}

/// Leaves the content as it is; a version that was asked for is made from it.
async fn keep(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchSource,
    validators: &Validators,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let now = assistant.clock.now();
    document_sources::set_fetched(&mut tx, job.document_id, validators, now).await?;
    if let Some(version) = job.version {
        super::enqueue_ingest(&mut tx, job.document_id, version).await?;
    }
    Ok(tx.commit().await?)
}

/// Stores that the document has another content and has it indexed; `false` if the document is gone.
async fn replace(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchSource,
    content: &Content,
) -> Result<bool, Failure> {
    let id = job.document_id;
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    if documents::find_for_update(&mut tx, id).await?.is_none() {
        return Ok(false);
    }
    let stored = &content.stored;
    let file = NewFile {
        media_type: content.media_type.as_str(),
        size_bytes: i64::try_from(stored.size_bytes).unwrap_or(i64::MAX),
        sha256: &stored.sha256,
        file_key: &stored.key.to_string(),
    };
    documents::set_file(&mut tx, id, &file).await?;
    let now = assistant.clock.now();
    document_sources::set_fetched(&mut tx, id, &content.validators, now).await?;
    let version = match job.version {
        Some(version) => version,
        None => {
            documents::request_version(&mut tx, id)
                .await?
                .latest_version
        }
    };
    super::enqueue_ingest(&mut tx, id, version).await?;
    tx.commit().await?;
    Ok(true)
}

/// Notes why the address gave nothing. Only a version that was asked for fails: after a look in vain
/// the one before stays as it is.
async fn refuse(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &FetchSource,
    reason: &str,
) -> Result<(), Failure> {
    tracing::warn!(document.id = %job.document_id, reason, "an address cannot be fetched");
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    give_up(assistant, &mut tx, job, reason).await?;
    Ok(tx.commit().await?)
}

async fn give_up(
    assistant: &Assistant,
    tx: &mut TenantTx,
    job: &FetchSource,
    reason: &str,
) -> db::Result<()> {
    let now = assistant.clock.now();
    document_sources::set_error(tx, job.document_id, reason, now).await?;
    match job.version {
        Some(version) => news::fail(assistant, tx, job.document_id, version, reason).await,
        None => Ok(()),
    }
}

/// Makes the death of a fetch visible on its document, in the transaction that buries it.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(assistant: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<FetchSource>() else {
        return Ok(());
    };
    let source = document_sources::find(tx, job.document_id).await?;
    // What the last attempt met says more.
    let reason = source
        .and_then(|source| source.error)
        .unwrap_or_else(|| "The address could not be fetched. Try again later.".to_owned());
    give_up(assistant, tx, &job, &reason).await
}

/// Enqueues a look at every address that is due, of any tenant.
///
/// # Errors
/// A retry for what may pass.
pub async fn refresh_due(assistant: &Assistant) -> Result<(), Failure> {
    loop {
        let mut tx = assistant.db.system().await?;
        let now = assistant.clock.now();
        let limit = i64::try_from(DUE_BATCH).unwrap_or(i64::MAX);
        let due = document_sources::take_due(&mut tx, now, limit).await?;
        for (tenant_id, document_id) in &due {
            let look = FetchSource {
                tenant_id: *tenant_id,
                document_id: *document_id,
                version: None,
            };
            jobs::enqueue(&mut tx, &look).await?;
        }
        tx.commit().await?;
        if due.len() < DUE_BATCH {
            return Ok(());
        }
    }
}

/// Deletes a file that no document has; one that stays is only in the way.
async fn discard(assistant: &Assistant, key: &str) {
    let deleted = match key.parse() {
        Ok(key) => assistant
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

use domain::{ChunkId, DocumentStage};
use fail::fail_point;
use jobs::kinds::{EmbedChunk, IngestDocument};
use jobs::{Failure, JobHandle};
use rag::chunk::{Chunk, ChunkSize};
use rag::extract::{Extracted, Limits, MediaType};
use rag::{chunk, extract, language, terms};
use store::chunks::{self, NewChunk, NewTerm};
use store::documents::{self, Document, Progress, VersionFacts};

use super::{RUN, news};
use crate::Assistant;

/// Reads a document's file and writes one version of its chunks, which no search sees yet.
///
/// # Errors
/// A retry for what may pass. A file that cannot be read is no error: its document is `failed`, with
/// a reason that a person understands.
pub async fn ingest(
    assistant: &Assistant,
    handle: &JobHandle,
    job: IngestDocument,
) -> Result<(), Failure> {
    let Some(document) = begin(assistant, handle, &job).await? else {
        return Ok(());
    };
    let extracted = match extract_text(assistant, &document).await {
        Ok(extracted) => extracted,
        Err(Problem::Passing(failure)) => return Err(failure),
        Err(Problem::OfFile(reason)) => return refuse(assistant, &job, &reason).await,
    };
    note(assistant, &job, DocumentStage::Chunking).await?;
    let size = ChunkSize::default();
    let text_config = language::text_config(&extracted.text);
    let cut = tokio::task::spawn_blocking(move || {
        chunk::split(&extracted, size).map(|chunks| (extracted, chunks))
    })
    .await
    .map_err(Failure::retry)?;
    let (extracted, cut) = match cut {
        Ok(cut) => cut,
        Err(error) => return refuse(assistant, &job, &error.to_string()).await,
    };
    write(assistant, handle, &job, &extracted, cut, text_config).await
}

/// Why a file's text is not there.
enum Problem {
    Passing(Failure),
    OfFile(String),
}

/// Notes that the work begins; `None` if nobody wants this version any more.
async fn begin(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &IngestDocument,
) -> Result<Option<Document>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let Some(document) = documents::find(&mut tx, job.document_id).await? else {
        return Ok(None);
    };
    let wanted = documents::mark_processing(&mut tx, job.document_id, job.version).await?;
    tx.commit().await?;
    note(assistant, job, DocumentStage::Reading).await?;
    Ok(wanted.then_some(document))
}

/// Shows what is being done, of which nobody knows how much there is.
async fn note(
    assistant: &Assistant,
    job: &IngestDocument,
    stage: DocumentStage,
) -> Result<(), Failure> {
    let begun = Progress {
        stage,
        done: 0,
        total: None,
    };
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    documents::set_progress(&mut tx, job.document_id, job.version, begun).await?;
    Ok(tx.commit().await?)
}

async fn extract_text(assistant: &Assistant, document: &Document) -> Result<Extracted, Problem> {
    let media_type: MediaType = document
        .media_type
        .parse()
        .map_err(|_| Problem::OfFile("Files of this type cannot be read.".to_owned()))?;
    let key = document
        .file_key
        .parse()
        .map_err(|error: files::InvalidFileKey| {
            Problem::Passing(Failure::dead(error.to_string()))
        })?;
    let path = assistant.files.path(&key);
    let program = &assistant.settings.extract_program;
    fail_point!("ingest.before_extract");
    extract::run(program, media_type, &path, &Limits::default()).await.map_err(|error| {
        if error.is_retryable() {
            Problem::Passing(Failure::retry(error))
        } else {
            tracing::warn!(document.id = %document.id, reason = %error, "a file cannot be read");
            Problem::OfFile(error.to_string())
        }
    })
}

/// Makes the document `failed`, with the reason for its owner.
async fn refuse(assistant: &Assistant, job: &IngestDocument, reason: &str) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    news::fail(assistant, &mut tx, job.document_id, job.version, reason).await?;
    Ok(tx.commit().await?)
}

/// Writes the version and enqueues its embedding, in one transaction.
async fn write(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &IngestDocument,
    extracted: &Extracted,
    cut: Vec<Chunk>,
    text_config: &str,
) -> Result<(), Failure> {
    let new: Vec<NewChunk> = cut.into_iter().map(as_row).collect();
    let bigrams: Vec<NewTerm> = new.iter().flat_map(terms_of).collect();
    let ids: Vec<ChunkId> = new.iter().map(|chunk| chunk.id).collect();
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let facts = VersionFacts {
        title: extracted.title.as_deref(),
        page_count: extracted
            .page_count
            .and_then(|pages| i32::try_from(pages).ok()),
        text_config,
    };
    if !documents::set_facts(&mut tx, job.document_id, job.version, &facts).await? {
        return Ok(());
    }
    chunks::delete_version(&mut tx, job.document_id, job.version).await?;
    chunks::insert_many(&mut tx, job.document_id, job.version, &new).await?;
    chunks::index_terms(&mut tx, &ids, text_config, &bigrams).await?;
    for first in (0..new.len()).step_by(RUN) {
        let count = RUN.min(new.len() - first);
        let run = EmbedChunk {
            tenant_id: job.tenant_id,
            document_id: job.document_id,
            version: job.version,
            first: as_i32(first),
            count: as_i32(count),
        };
        jobs::enqueue(&mut tx, &run).await?;
    }
    let embedding = Progress {
        stage: DocumentStage::Embedding,
        done: 0,
        total: i64::try_from(new.len()).ok(),
    };
    documents::set_progress(&mut tx, job.document_id, job.version, embedding).await?;
    fail_point!("ingest.before_commit");
    Ok(tx.commit().await?)
}

fn as_row(chunk: Chunk) -> NewChunk {
    NewChunk {
        id: ChunkId::new(),
        ordinal: as_i32(chunk.ordinal),
        text: chunk.text,
        token_count: as_i32(chunk.token_count),
        page: chunk.page.and_then(|page| i32::try_from(page).ok()),
        heading: chunk.heading,
        char_start: as_i32(chunk.char_start),
        char_end: as_i32(chunk.char_end),
    }
}

fn terms_of(chunk: &NewChunk) -> Vec<NewTerm> {
    let in_heading = chunk
        .heading
        .as_deref()
        .map(terms::bigrams)
        .unwrap_or_default();
    in_heading
        .into_iter()
        .chain(terms::bigrams(&chunk.text))
        .map(|term| NewTerm {
            chunk_id: chunk.id,
            term,
        })
        .collect()
}

/// Counts within one document: the extractor caps its text far below the limit.
fn as_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

use domain::{ChunkId, ChunkingSettings};
use fail::fail_point;
use jobs::kinds::{EmbedChunk, IngestDocument};
use jobs::{Failure, JobHandle};
use rag::chunk::{Chunk, Tokenizer};
use rag::extract::{Event, ExtractError, Facts, Limits, Progress, Reading, Request};
use rag::terms;
use store::chunks::{self, NewChunk, NewTerm};
use store::documents::{self, Document, VersionFacts};
use store::tenants;

use super::RUN;
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
    let Some((document, chunking)) = begin(assistant, handle, &job).await? else {
        return Ok(());
    };
    let mut version = Version {
        assistant,
        handle,
        job: &job,
        text_config: String::new(),
        chunks: 0,
    };
    match version.read(&document, chunking).await {
        Ok(()) | Err(Problem::Unwanted) => Ok(()),
        Err(Problem::Passing(failure)) => Err(failure),
        Err(Problem::OfFile(reason)) => refuse(assistant, &job, &reason).await,
    }
}

/// Why a version is not whole.
enum Problem {
    Passing(Failure),
    OfFile(String),
    /// Nobody wants it any more.
    Unwanted,
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        Self::Passing(error.into())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Passing(failure)
    }
}

/// Notes that the work begins; `None` if nobody wants this version any more.
async fn begin(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &IngestDocument,
) -> Result<Option<(Document, ChunkingSettings)>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let Some(document) = documents::find(&mut tx, job.document_id).await? else {
        return Ok(None);
    };
    let chunking = tenants::get(&mut tx).await?.settings.chunking;
    let wanted = documents::mark_processing(&mut tx, job.document_id, job.version).await?;
    tx.commit().await?;
    Ok(wanted.then_some((document, chunking)))
}

/// Makes the document `failed`, with the reason for its owner, and leaves nothing of the version.
async fn refuse(assistant: &Assistant, job: &IngestDocument, reason: &str) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    documents::mark_failed(&mut tx, job.document_id, job.version, reason).await?;
    chunks::delete_version(&mut tx, job.document_id, job.version).await?;
    Ok(tx.commit().await?)
}

/// A version in the making. Its chunks are written run by run as the reader brings them, each run in
/// a transaction of its own; only the last transaction lets them be embedded, so a version that is
/// not whole is never seen.
struct Version<'a> {
    assistant: &'a Assistant,
    handle: &'a JobHandle,
    job: &'a IngestDocument,
    text_config: String,
    chunks: usize,
}

impl Version<'_> {
    async fn read(
        &mut self,
        document: &Document,
        chunking: ChunkingSettings,
    ) -> Result<(), Problem> {
        let mut reading = self.start(document, chunking).await?;
        while let Some(event) = self.next(document, &mut reading).await? {
            match event {
                Event::Progress(progress) => self.note(document, progress),
                Event::Facts(facts) => self.open(&facts).await?,
                Event::Chunks(chunks) => self.write(chunks).await?,
            }
        }
        self.close().await
    }

    async fn start(
        &self,
        document: &Document,
        chunking: ChunkingSettings,
    ) -> Result<Reading, Problem> {
        let media_type = document
            .media_type
            .parse()
            .map_err(|_| Problem::OfFile("Files of this type cannot be read.".to_owned()))?;
        let key = document
            .file_key
            .parse()
            .map_err(|error: files::InvalidFileKey| Failure::dead(error.to_string()))?;
        let request = Request {
            program: &self.assistant.settings.extract_program,
            input: &self.assistant.files.path(&key),
            media_type,
            chunking,
            tokenizer: Tokenizer::of_embedding_model(self.assistant.embedder.model()),
        };
        fail_point!("ingest.before_extract");
        Reading::start(&request, &Limits::default())
            .await
            .map_err(|error| of_reader(document, error))
    }

    async fn next(
        &self,
        document: &Document,
        reading: &mut Reading,
    ) -> Result<Option<Event>, Problem> {
        reading
            .next()
            .await
            .map_err(|error| of_reader(document, error))
    }

    /// Notes how far the reader has come.
    fn note(&self, document: &Document, progress: Progress) {
        tracing::debug!(document.id = %document.id, version = self.job.version,
            unit = ?progress.unit, done = progress.done, total = progress.total,
            "a file is being read");
    }

    /// Stores what the file says of itself, and leaves nothing of an earlier try.
    async fn open(&mut self, facts: &Facts) -> Result<(), Problem> {
        self.text_config.clone_from(&facts.text_config);
        let job = self.job;
        let pages = facts.page_count.and_then(|pages| i32::try_from(pages).ok());
        let facts = VersionFacts {
            title: facts.title.as_deref(),
            page_count: pages,
            text_config: &facts.text_config,
        };
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        if !documents::set_facts(&mut tx, job.document_id, job.version, &facts).await? {
            return Err(Problem::Unwanted);
        }
        chunks::delete_version(&mut tx, job.document_id, job.version).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn write(&mut self, run: Vec<Chunk>) -> Result<(), Problem> {
        let job = self.job;
        let new: Vec<NewChunk> = run.into_iter().map(as_row).collect();
        let bigrams: Vec<NewTerm> = new.iter().flat_map(terms_of).collect();
        let ids: Vec<ChunkId> = new.iter().map(|chunk| chunk.id).collect();
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        chunks::insert_many(&mut tx, job.document_id, job.version, &new).await?;
        chunks::index_terms(&mut tx, &ids, &self.text_config, &bigrams).await?;
        tx.commit().await?;
        self.chunks += new.len();
        Ok(())
    }

    /// Enqueues the embedding of all that was written.
    async fn close(&self) -> Result<(), Problem> {
        let job = self.job;
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        for first in (0..self.chunks).step_by(RUN) {
            let run = EmbedChunk {
                tenant_id: job.tenant_id,
                document_id: job.document_id,
                version: job.version,
                first: as_i32(first),
                count: as_i32(RUN.min(self.chunks - first)),
            };
            jobs::enqueue(&mut tx, &run).await?;
        }
        fail_point!("ingest.before_commit");
        tx.commit().await?;
        Ok(())
    }
}

fn of_reader(document: &Document, error: ExtractError) -> Problem {
    if error.is_retryable() {
        return Problem::Passing(Failure::retry(error));
    }
    tracing::warn!(document.id = %document.id, reason = %error, "a file cannot be read");
    Problem::OfFile(error.to_string())
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

use std::time::{Duration, Instant};

use domain::{ChunkId, ChunkingSettings, DocumentStage};
use fail::fail_point;
use jobs::kinds::IngestDocument;
use jobs::{Failure, JobHandle};
use rag::chunk::{Chunk, Tokenizer};
use rag::extract::{self, Event, ExtractError, Facts, Limits, Reading, Request};
use rag::keyword::{self, Indexable};
use store::chunks::{self, NewChunk};
use store::documents::{self, Document, Progress, VersionFacts};
use store::tenants;

use super::{as_i32, news, sets};
use crate::Assistant;

/// How long progress is not shown again.
const NOTED_EVERY: Duration = Duration::from_millis(300);

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
    let Some(begun) = begin(assistant, handle, &job).await? else {
        return Ok(());
    };
    let mut version = Version {
        assistant,
        handle,
        job: &job,
        text_config: String::new(),
        chunks: 0,
        noted_at: Instant::now(),
    };
    match version.read(&begun).await {
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

/// What is read, and how it is cut.
struct Begun {
    document: Document,
    chunking: ChunkingSettings,
    tokenizer: Tokenizer,
}

/// Notes that the work begins; `None` if nobody wants this version any more.
async fn begin(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &IngestDocument,
) -> Result<Option<Begun>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let Some(document) = documents::find(&mut tx, job.document_id).await? else {
        return Ok(None);
    };
    let chunking = tenants::get(&mut tx).await?.settings.chunking;
    let embedder = sets::wanted(assistant, &mut tx).await?;
    let wanted = documents::mark_processing(&mut tx, job.document_id, job.version).await?;
    let begun = Progress {
        stage: DocumentStage::Reading,
        done: 0,
        total: None,
    };
    documents::set_progress(&mut tx, job.document_id, job.version, begun).await?;
    tx.commit().await?;
    Ok(wanted.then(|| Begun {
        document,
        chunking,
        tokenizer: Tokenizer::of_embedding_model(embedder.model()),
    }))
}

/// Makes the document `failed`, with the reason for its owner, and leaves nothing of the version.
async fn refuse(assistant: &Assistant, job: &IngestDocument, reason: &str) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    news::fail(assistant, &mut tx, job.document_id, job.version, reason).await?;
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
    noted_at: Instant,
}

impl Version<'_> {
    async fn read(&mut self, begun: &Begun) -> Result<(), Problem> {
        let mut reading = self.start(begun).await?;
        while let Some(event) = self.next(&begun.document, &mut reading).await? {
            match event {
                Event::Progress(progress) => self.note(progress).await?,
                Event::Facts(facts) => self.open(&facts).await?,
                Event::Chunks(chunks) => self.write(chunks).await?,
            }
        }
        self.close().await
    }

    async fn start(&self, begun: &Begun) -> Result<Reading, Problem> {
        let document = &begun.document;
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
            chunking: begun.chunking,
            tokenizer: begun.tokenizer,
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

    /// Shows how far the reader has come, a few times a second at most.
    async fn note(&mut self, progress: extract::Progress) -> Result<(), Problem> {
        if self.noted_at.elapsed() < NOTED_EVERY {
            return Ok(());
        }
        self.noted_at = Instant::now();
        let job = self.job;
        let progress = Progress {
            stage: DocumentStage::Reading,
            done: i64::try_from(progress.done).unwrap_or(i64::MAX),
            total: progress.total.and_then(|total| i64::try_from(total).ok()),
        };
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        documents::set_progress(&mut tx, job.document_id, job.version, progress).await?;
        Ok(tx.commit().await?)
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
        let words: Vec<Indexable<'_>> = new.iter().map(as_words).collect();
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        chunks::insert_many(&mut tx, job.document_id, job.version, &new).await?;
        let (document, version) = (job.document_id, job.version);
        keyword::index(&mut tx, document, version, &self.text_config, &words).await?;
        tx.commit().await?;
        self.chunks += new.len();
        Ok(())
    }

    /// Says that all is written, and enqueues its embedding.
    async fn close(&self) -> Result<(), Problem> {
        let job = self.job;
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        // Held until the commit: a set that is begun meanwhile waits, and then embeds this version
        // too.
        sets::ensure(self.assistant, &mut tx).await?;
        documents::mark_written(&mut tx, job.document_id, job.version).await?;
        let version = chunks::Version {
            document_id: job.document_id,
            version: job.version,
            chunk_count: as_i32(self.chunks),
        };
        sets::enqueue_runs(&mut tx, job.tenant_id, version).await?;
        let embedding = Progress {
            stage: DocumentStage::Embedding,
            done: 0,
            total: i64::try_from(self.chunks).ok(),
        };
        documents::set_progress(&mut tx, job.document_id, job.version, embedding).await?;
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

fn as_words(chunk: &NewChunk) -> Indexable<'_> {
    Indexable {
        ordinal: chunk.ordinal,
        heading: chunk.heading.as_deref(),
        text: &chunk.text,
    }
}

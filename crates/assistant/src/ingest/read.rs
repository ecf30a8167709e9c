use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{BudgetSettings, ChunkId, ChunkingSettings, DocumentStage};
use fail::fail_point;
use jobs::kinds::IngestDocument;
use jobs::{Failure, JobHandle};
use llm::Embedder;
use rag::chunk::{Chunk, Tokenizer};
use rag::extract::{self, Event, ExtractError, Facts, Limits, Reading, Request};
use rag::keyword::{self, Indexable, Vocabulary};
use store::chunks::{self, NewChunk};
use store::documents::{self, Document, Progress, VersionFacts};
use store::embedding_sets::EmbeddingSet;

use super::at_once::AtOnce;
use super::{RUN, as_i32, embed, news, sets};
use crate::{Assistant, TenantProfile};

/// How many runs go to a model at a time: about what fills a request to a provider.
const RUNS_OF_A_CALL: usize = 8;

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
        vocabulary: Vocabulary::new(""),
        chunks: 0,
        provided: 0,
        together: together(&*begun.embedder),
        at_once: None,
        sets: Vec::new(),
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
    embedder: Arc<dyn Embedder>,
    budget: BudgetSettings,
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
    let profile = TenantProfile::load(&mut tx, &assistant.keyring).await?;
    let embedder = sets::wanted_by(assistant, &profile)?;
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
        chunking: profile.settings.chunking,
        budget: profile.settings.budget,
        embedder,
    }))
}

/// How many chunks are worth a call of the embedder, while others are still to come.
fn together(embedder: &dyn Embedder) -> i32 {
    as_i32(if embedder.is_worth_keeping() {
        RUN * RUNS_OF_A_CALL
    } else {
        RUN
    })
}

/// Makes the document `failed`, with the reason for its owner, and leaves nothing of the version.
async fn refuse(assistant: &Assistant, job: &IngestDocument, reason: &str) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    news::fail(assistant, &mut tx, job.document_id, job.version, reason).await?;
    chunks::delete_version(&mut tx, job.document_id, job.version).await?;
    Ok(tx.commit().await?)
}

/// A version in the making. Its chunks are written run by run as the reader brings them, each run in
/// a transaction of its own, and full runs are embedded meanwhile; only the last transaction says
/// that all is there, so a version that is not whole is never seen.
struct Version<'a> {
    assistant: &'a Assistant,
    handle: &'a JobHandle,
    job: &'a IngestDocument,
    vocabulary: Vocabulary,
    /// How many chunks are written.
    chunks: i32,
    /// How many of them have their vectors, or jobs that make them.
    provided: i32,
    /// How many jobs are worth it at a time.
    together: i32,
    /// What makes the vectors, where no jobs are needed.
    at_once: Option<AtOnce>,
    /// The sets of vectors that there were before the first chunk.
    sets: Vec<i64>,
    noted_at: Instant,
}

impl Version<'_> {
    async fn read(&mut self, begun: &Begun) -> Result<(), Problem> {
        let mut reading = self.start(begun).await?;
        let mut event = next(&begun.document, &mut reading).await?;
        while let Some(current) = event {
            // The reader goes on while what it brought is written.
            let (written, coming) = tokio::join!(
                self.take(begun, current),
                next(&begun.document, &mut reading)
            );
            written?;
            event = coming?;
        }
        self.close().await
    }

    async fn take(&mut self, begun: &Begun, event: Event) -> Result<(), Problem> {
        match event {
            Event::Progress(progress) => self.note(progress).await,
            Event::Facts(facts) => self.open(begun, &facts).await,
            Event::Chunks(chunks) => self.write(chunks).await,
        }
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
            tokenizer: Tokenizer::of_embedding_model(begun.embedder.model()),
            // A folder that is gone is the embedder's trouble, not the reader's.
            tokenizer_file: begun
                .embedder
                .tokenizer_file()
                .filter(|file| file.is_file()),
        };
        fail_point!("ingest.before_extract");
        Reading::start(&request, &Limits::default())
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

    /// Stores what the file says of itself, and leaves nothing of an earlier try, nor of a first
    /// reading where there is a second.
    async fn open(&mut self, begun: &Begun, facts: &Facts) -> Result<(), Problem> {
        self.vocabulary = Vocabulary::new(facts.text_config.as_str());
        let job = self.job;
        let pages = facts.page_count.and_then(|pages| i32::try_from(pages).ok());
        let facts = VersionFacts {
            title: facts.title.as_deref(),
            author: facts.author.as_deref(),
            page_count: pages,
            text_config: &facts.text_config,
        };
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        if !documents::set_facts(&mut tx, job.document_id, job.version, &facts).await? {
            return Err(Problem::Unwanted);
        }
        chunks::delete_version(&mut tx, job.document_id, job.version).await?;
        let sets = sets::ensure(self.assistant, &mut tx).await?;
        tx.commit().await?;
        let of = (job.tenant_id, begun.budget);
        self.at_once = AtOnce::for_sets(self.assistant, of, &begun.embedder, &sets);
        self.sets = ids(&sets);
        (self.chunks, self.provided) = (0, 0);
        Ok(())
    }

    async fn write(&mut self, run: Vec<Chunk>) -> Result<(), Problem> {
        let job = self.job;
        let new: Vec<NewChunk> = run.into_iter().map(as_row).collect();
        let words: Vec<Indexable<'_>> = new.iter().map(as_words).collect();
        let made = match &self.at_once {
            Some(at_once) => at_once.embed(&new).await,
            None => None,
        };
        let mut tx = self.assistant.db.tenant(job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        chunks::insert_many(&mut tx, job.document_id, job.version, &new).await?;
        let (document, version) = (job.document_id, job.version);
        keyword::index(&mut tx, document, version, &mut self.vocabulary, &words).await?;
        let written = self.chunks + as_i32(new.len());
        let is_embedded = match (&self.at_once, made) {
            (Some(at_once), Some(made)) => at_once.store(&mut tx, &new, made).await?,
            _ => false,
        };
        let provided = if is_embedded {
            written
        } else {
            // From here on jobs do it: they begin where the vectors end.
            self.at_once = None;
            let full = written - written % self.together;
            sets::enqueue_runs(&mut tx, document, version, self.provided..full).await?;
            full
        };
        tx.commit().await?;
        (self.chunks, self.provided) = (written, provided);
        Ok(())
    }

    /// Says that all is written, and enqueues the embedding of the rest; with none left, searches see
    /// the version by the same transaction.
    async fn close(&self) -> Result<(), Problem> {
        let (document, version) = (self.job.document_id, self.job.version);
        let mut tx = self.assistant.db.tenant(self.job.tenant_id).await?;
        self.handle.fence(&mut tx).await?;
        // Before the sets, as whoever switches.
        documents::hold(&mut tx, document).await?;
        // Held until the commit: a set that is begun meanwhile waits, and then embeds this version
        // too.
        let sets = ids(&sets::ensure(self.assistant, &mut tx).await?);
        documents::mark_written(&mut tx, document, version).await?;
        // A set that came while the file was read has none of the vectors that were made before.
        let first = if sets == self.sets { self.provided } else { 0 };
        sets::enqueue_runs(&mut tx, document, version, first..self.chunks).await?;
        let embedding = Progress {
            stage: DocumentStage::Embedding,
            done: 0,
            total: Some(self.chunks.into()),
        };
        documents::set_progress(&mut tx, document, version, embedding).await?;
        fail_point!("ingest.before_commit");
        if first < self.chunks {
            return Ok(tx.commit().await?);
        }
        // Every chunk may have its vector by now, and then no job comes that would look.
        Ok(embed::switch_held(self.assistant, tx, document, version).await?)
    }
}

async fn next(document: &Document, reading: &mut Reading) -> Result<Option<Event>, Problem> {
    reading
        .next()
        .await
        .map_err(|error| of_reader(document, error))
}

fn ids(sets: &[EmbeddingSet]) -> Vec<i64> {
    sets.iter().map(|set| set.id).collect()
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

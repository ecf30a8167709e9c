//! From the upload to the moment a document can be searched, by the real binary.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::ChunkingSettings;
use rag::chunk::Tokenizer;
use rag::extract::{Event, Limits, MediaType, Reading, Request};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::pdf::pdf;
use crate::RagArguments;
use crate::product::process::{self, Process, Setting};
use crate::report::{Aim, Report, Row, say};
use crate::server::Server;

/// Pages of the document whose speed is measured.
const PAGES: usize = 200;
/// The same document, read that often; the medians count.
const ROUNDS: usize = 5;
/// Bytes of the file whose memory is measured.
const LARGE: usize = 100 * 1024 * 1024;
/// How long a document may take.
const PATIENCE: Duration = Duration::from_mins(8);
/// How often a document is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How often a document is asked for: less often than the API lets a key call it.
const ASK: Duration = Duration::from_millis(10);
/// The same where it takes long: who asks at that rate for minutes meets the limit all the same.
const ASK_LONG: Duration = Duration::from_millis(500);

/// A tenant of a running product.
struct Library {
    client: reqwest::Client,
    documents: String,
    key: String,
}

/// Measures pages a second, and memory if that is wanted.
pub(super) async fn measure(
    server: &Server,
    arguments: &RagArguments,
    with_memory: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let program = process::find_program(arguments.metachat.as_deref())?;
    let folder = process::folder()?;
    let database = server.database("rag_documents").await?;
    let port = process::free_port()?;
    let key = format!("{:032x}", rand::random::<u128>());
    let setting = Setting {
        program: program.clone(),
        folder: folder.path().to_owned(),
        variables: vec![
            ("DATABASE_URL", database.url.to_string()),
            ("METACHAT_LISTEN", format!("127.0.0.1:{port}")),
            ("METACHAT_ADMIN_KEY", key.clone()),
            // Vectors that take no time to speak of.
            ("METACHAT_EMBEDDING_PROVIDER", "builtin".to_owned()),
            ("METACHAT_MAX_UPLOAD_BYTES", (LARGE * 2).to_string()),
        ],
    };
    let mut both = setting.start("up")?;
    let client = client()?;
    let base = format!("http://127.0.0.1:{port}");
    both.wait_ready(&client, &base).await?;
    let library = Library::open(client, &base, key).await?;
    say("documents: pages a second …");
    speed(&library, &program, folder.path(), report).await?;
    if with_memory {
        for (name, kind, file) in large_files()? {
            say(&format!("documents: memory, {name} …"));
            memory(&library, &both, (name, kind, file), report).await?;
        }
    }
    both.stop().await?;
    server.drop_database(database).await
}

async fn speed(
    library: &Library,
    program: &Path,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file = pdf(PAGES, 0)?;
    let path = folder.join("pages.pdf");
    std::fs::write(&path, &file)?;
    let (mut ingested, mut extracted) = (Vec::new(), Vec::new());
    // Once for connections and plans.
    library
        .ingest(("pages.pdf", "application/pdf", file.clone()), ASK)
        .await?;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let pages = read(program, &path).await?;
        extracted.push(pages_a_second(begun));
        ensure!(pages == u32::try_from(PAGES).ok(), "pages are missing");
        let begun = Instant::now();
        let error = library
            .ingest(("pages.pdf", "application/pdf", file.clone()), ASK)
            .await?;
        ensure!(error.is_none(), "the document failed: {error:?}");
        ingested.push(pages_a_second(begun));
    }
    let row = Row::new("ingest_200_pages", "pages/s", &ingested);
    let row = row.beside(&extracted).aim(Aim::RatioAtLeast(0.8));
    report.push(row.note("from the upload on; beside: the reader alone, in its own process"));
    Ok(())
}

/// Reads and cuts a file in its own process, and says how many pages it has.
async fn read(program: &Path, input: &Path) -> anyhow::Result<Option<u32>> {
    let request = Request {
        program,
        input,
        media_type: MediaType::Pdf,
        chunking: ChunkingSettings::default(),
        tokenizer: Tokenizer::of_embedding_model("hashed-ngrams-1"),
        tokenizer_file: None,
    };
    let mut reading = Reading::start(&request, &Limits::default()).await?;
    let mut pages = None;
    while let Some(event) = reading.next().await? {
        if let Event::Facts(facts) = event {
            pages = facts.page_count;
        }
    }
    Ok(pages)
}

fn pages_a_second(begun: Instant) -> f64 {
    super::ranking::as_f64(PAGES) / begun.elapsed().as_secs_f64()
}

type LargeFile = (&'static str, &'static str, Vec<u8>);

fn large_files() -> anyhow::Result<[LargeFile; 2]> {
    let mut text = String::with_capacity(LARGE + 200);
    let mut number = 0_u32;
    while text.len() < LARGE {
        use std::fmt::Write as _;
        writeln!(
            text,
            "Rule {number}: whoever returns item {} gets its price back within {} days.",
            number.wrapping_mul(31) % 99_991,
            number % 90 + 1
        )?;
        number += 1;
    }
    Ok([
        ("pdf_with_pictures", "application/pdf", pdf(PAGES, LARGE)?),
        ("text", "text/plain", text.into_bytes()),
    ])
}

async fn memory(
    library: &Library,
    process: &Process,
    (name, kind, file): LargeFile,
    report: &mut Report,
) -> anyhow::Result<()> {
    let idle = process.resident_mb()?;
    let measure = format!("memory_100_mb_{name}");
    let work = library.ingest((name, kind, file), ASK_LONG);
    let mut work = std::pin::pin!(work);
    let mut most = idle;
    let ended = loop {
        tokio::select! {
            ended = &mut work => break ended,
            () = tokio::time::sleep(LOOK) => most = most.max(process.resident_mb()?),
        }
    };
    let row = Row::new(measure, "MB", &[most - idle]).aim(Aim::AtMost(150.0));
    report.push(match ended {
        Ok(None) => row,
        Ok(Some(why)) => row.note(format!("the file was refused: {why}")),
        Err(error) => row.note(format!("not at its end: {error:#}")),
    });
    Ok(())
}

impl Library {
    async fn open(client: reqwest::Client, base: &str, key: String) -> anyhow::Result<Self> {
        let mut library = Self {
            client,
            documents: String::new(),
            key,
        };
        let request = library.client.post(format!("{base}/api/tenants"));
        let tenant = library
            .send(request.json(&json!({"name": "Library"})))
            .await?;
        let id = tenant["id"].as_str().context("a tenant without an id")?;
        library.documents = format!("{base}/api/tenants/{id}/documents");
        Ok(library)
    }

    /// Uploads a file and asks now and then for its end; why it failed, if it did.
    async fn ingest(
        &self,
        (name, kind, file): (&str, &str, Vec<u8>),
        every: Duration,
    ) -> anyhow::Result<Option<String>> {
        let part = Part::bytes(file)
            .file_name(name.to_owned())
            .mime_str(kind)?;
        let form = Form::new().part("file", part);
        let request = self.client.post(&self.documents).multipart(form);
        let document = self.send(request).await?;
        let id = document["id"]
            .as_str()
            .context("a document without an id")?;
        let url = format!("{}/{id}", self.documents);
        let begun = Instant::now();
        loop {
            let view = self.send(self.client.get(&url)).await?;
            match view["status"].as_str() {
                Some("ready") => return Ok(None),
                Some("failed") => return Ok(Some(view["error"].to_string())),
                _ => tokio::time::sleep(every).await,
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "the document takes too long: {view}"
            );
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.bearer_auth(&self.key).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "the API answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// A client of the API, without a limit that a large upload would meet.
#[expect(
    clippy::disallowed_methods,
    reason = "calls loopback addresses, which the product's guarded client refuses"
)]
fn client() -> anyhow::Result<reqwest::Client> {
    outbound::install_crypto();
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()?)
}

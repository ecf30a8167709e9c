use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::ChunkingSettings;
use rag::chunk::{Chunk, Tokenizer};
use rag::extract::{
    Event, ExtractError, Facts, Limits, MediaType, Progress, Reading, Request, Unit,
};

use crate::pdf_writer::Pdf;

const CHILD: &str = env!("CARGO_BIN_EXE_rag-extract-child");

/// What a reading brought.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) facts: Facts,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) progress: Vec<Progress>,
}

impl Read {
    /// All text, as far as passages do not share it.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self
            .chunks
            .iter()
            .map(|chunk| chunk.text.as_str())
            .collect();
        texts.join("\n\n")
    }
}

/// Reads `bytes` in a real child process.
pub(crate) async fn read(media_type: MediaType, bytes: &[u8]) -> Result<Read, ExtractError> {
    read_within(media_type, bytes, &Limits::default()).await
}

pub(crate) async fn read_within(
    media_type: MediaType,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Read, ExtractError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read_file(Path::new(CHILD), media_type, file.path(), limits).await
}

async fn read_file(
    program: &Path,
    media_type: MediaType,
    input: &Path,
    limits: &Limits,
) -> Result<Read, ExtractError> {
    collect(&request(program, media_type, input), limits).await
}

async fn collect(request: &Request<'_>, limits: &Limits) -> Result<Read, ExtractError> {
    let mut reading = Reading::start(request, limits).await?;
    let (mut facts, mut chunks, mut progress) = (None, Vec::new(), Vec::new());
    while let Some(event) = reading.next().await? {
        match event {
            Event::Facts(found) => {
                facts = Some(found);
                // What came before counts for nothing, if anything did.
                chunks.clear();
            }
            Event::Chunks(run) => {
                assert!(facts.is_some() && run.len() <= 64);
                chunks.extend(run);
            }
            Event::Progress(found) => progress.push(found),
        }
    }
    Ok(Read {
        facts: facts.expect("facts come before the end"),
        chunks,
        progress,
    })
}

pub(crate) fn request<'a>(
    program: &'a Path,
    media_type: MediaType,
    input: &'a Path,
) -> Request<'a> {
    Request {
        program,
        input,
        media_type,
        chunking: ChunkingSettings::default(),
        tokenizer: Tokenizer::Estimate,
        tokenizer_file: None,
    }
}

#[tokio::test]
async fn a_pdf_comes_back_with_its_pages_and_its_title() {
    let pdf = Pdf::with_pages(&[
        &["Returns are free for thirty days.", "Keep the receipt."],
        &["Parcels leave our house the same day."],
    ]);
    let read = read(MediaType::Pdf, &pdf.bytes()).await.unwrap();
    assert_eq!(read.facts.title.as_deref(), Some("House rules"));
    assert_eq!(read.facts.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(read.facts.page_count, Some(2));
    assert_eq!(read.facts.text_config, "english");
    let [first, second] = &read.chunks[..] else {
        panic!("{:?}", read.chunks);
    };
    assert_eq!((first.page, second.page), (Some(1), Some(2)));
    assert!(first.text.contains("thirty days") && first.text.contains("receipt"));
    assert_eq!(second.text, "Parcels leave our house the same day.");
}

#[tokio::test]
async fn an_empty_page_keeps_its_number() {
    let pdf = Pdf::with_pages(&[&["One"], &[], &["Three"]]);
    let read = read(MediaType::Pdf, &pdf.bytes()).await.unwrap();
    assert_eq!(read.facts.page_count, Some(3));
    let pages: Vec<_> = read.chunks.iter().map(|chunk| chunk.page).collect();
    assert_eq!(pages, [Some(1), Some(3)]);
}

#[tokio::test]
async fn markdown_comes_back_with_its_headings() {
    let text = "# Versand\n\nWir liefern täglich.\n\n## Ausland\n\nZwölf Euro.\n";
    let read = read(MediaType::Markdown, text.as_bytes()).await.unwrap();
    assert_eq!(read.text(), text.trim());
    assert_eq!(read.facts.title.as_deref(), Some("Versand"));
    assert_eq!(read.chunks[0].heading.as_deref(), Some("Versand"));
    assert_eq!(read.facts.page_count, None);
}

#[tokio::test]
async fn a_reader_tells_how_far_it_has_come() {
    let pages = [&["Words on a page."][..]; 30];
    let read = read(MediaType::Pdf, &Pdf::with_pages(&pages).bytes())
        .await
        .unwrap();
    assert_eq!(read.chunks.len(), 30);
    for pair in read.progress.windows(2) {
        assert!(pair[0].done < pair[1].done, "{pair:?}");
    }
    let seen = |progress: &Progress| (progress.unit, progress.done, progress.total);
    let (first, last) = (read.progress.first(), read.progress.last());
    assert_eq!(first.map(seen), Some((Unit::Pages, 1, Some(30))));
    assert_eq!(last.map(seen), Some((Unit::Pages, 30, Some(30))));
}

#[tokio::test]
async fn a_reading_that_nobody_ends_takes_its_child_along() {
    let long = "Words and more words. ".repeat(100_000);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(long.as_bytes()).unwrap();
    let exe = Path::new(env!("CARGO_BIN_EXE_rag-extract-child"));
    let asked = request(exe, MediaType::Text, file.path());
    let mut reading = Reading::start(&asked, &Limits::default()).await.unwrap();
    while !matches!(reading.next().await.unwrap(), Some(Event::Chunks(_))) {}
    let child = reading.id().unwrap();
    drop(reading);
    // Killed at once, reaped by the runtime in a moment.
    let gone = async {
        while std::fs::read_to_string(format!("/proc/{child}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_scan_is_told_from_an_empty_file() {
    let scan = Pdf::with_pages(&[&[], &[]]);
    let error = read(MediaType::Pdf, &scan.bytes()).await.unwrap_err();
    assert!(matches!(error, ExtractError::NoText), "{error}");
    let error = read(MediaType::Text, b" \n\t\n").await.unwrap_err();
    assert!(matches!(error, ExtractError::Empty), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_pdf_is_called_so() {
    let error = read(MediaType::Pdf, b"Just words.").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The file is not a PDF although its name says so."
    );
    let error = read(MediaType::Text, b"GIF89a\0\0\0").await.unwrap_err();
    assert!(matches!(error, ExtractError::NotText), "{error}");
}

#[tokio::test]
async fn a_password_is_asked_for_by_name() {
    // Standard security handler, revision 3, made-up hashes: no password opens it.
    let mut pdf = Pdf::with_pages(&[&["Secret"]]);
    pdf.object(&format!(
        "<< /Filter /Standard /V 2 /R 3 /Length 128 /P -3904 /O <{}> /U <{}> >>",
        "5a".repeat(32),
        "a5".repeat(32)
    ));
    pdf.trailer("/Encrypt 7 0 R /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]");
    let error = read(MediaType::Pdf, &pdf.bytes()).await.unwrap_err();
    assert_eq!(error.to_string(), "The file is protected by a password.");
}

#[tokio::test]
async fn a_reader_over_its_time_is_stopped() {
    let long = "Words and more words. ".repeat(2_000_000);
    let limits = Limits {
        wall: Duration::from_millis(1),
        ..Limits::default()
    };
    let error = read_within(MediaType::Text, long.as_bytes(), &limits)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Reading the file took longer than 1 seconds."
    );
}

#[tokio::test]
async fn a_reader_over_its_processor_time_is_stopped() {
    let long = "Words and more words. ".repeat(4_000_000);
    let limits = Limits {
        cpu: Duration::from_secs(1),
        ..Limits::default()
    };
    let started = Instant::now();
    let error = read_within(MediaType::Text, long.as_bytes(), &limits)
        .await
        .map(|read| read.chunks.len())
        .unwrap_err();
    // The second that it had to compute, not the minutes that are waited for it.
    assert_eq!(
        error.to_string(),
        "Reading the file took longer than 1 seconds."
    );
    assert!(started.elapsed() < limits.wall);
}

#[tokio::test]
async fn a_reader_over_its_memory_is_stopped() {
    // Past the resident limit by little: the watch. Past the address space by far: the child itself.
    let long = "Words and more words. ".repeat(3_000_000);
    let limits = Limits {
        memory_bytes: 32 << 20,
        ..Limits::default()
    };
    let error = read_within(MediaType::Text, long.as_bytes(), &limits)
        .await
        .unwrap_err();
    assert!(matches!(error, ExtractError::TooMuchMemory), "{error}");
}

#[tokio::test]
async fn more_text_than_allowed_is_refused() {
    for limits in [
        Limits {
            text_bytes: 1000,
            ..Limits::default()
        },
        Limits {
            output_bytes: 1000,
            ..Limits::default()
        },
    ] {
        let error = read_within(MediaType::Text, &b"word ".repeat(300), &limits)
            .await
            .unwrap_err();
        assert!(matches!(error, ExtractError::TooMuchText), "{error}");
    }
}

#[tokio::test]
async fn a_reader_that_cannot_start_is_worth_another_try() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let exe = file.path().with_extension("missing");
    let error = read_file(&exe, MediaType::Text, file.path(), &Limits::default())
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn the_child_sees_no_environment_and_no_crowd_of_files() {
    // `/bin/sh -c` would need another argument; `env` as the reader prints what it was given.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"x").unwrap();
    let script = tempfile::TempDir::new().unwrap();
    let exe = script.path().join("reader");
    std::fs::write(
        &exe,
        "#!/bin/sh\nset -- \"$(/usr/bin/env | /bin/grep -v -e ^PWD= -e ^_= -e ^SHLVL= )\"\n\
         [ -z \"$1\" ] && exit 14\nexit 15\n",
    )
    .unwrap();
    let mut rights = std::fs::metadata(&exe).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    std::fs::set_permissions(&exe, rights).unwrap();
    let error = read_file(&exe, MediaType::Text, file.path(), &Limits::default())
        .await
        .unwrap_err();
    // 14 is the code of an empty file: here of an empty environment.
    assert!(matches!(error, ExtractError::Empty), "{error}");
}

/// A tokenizer that counts "Parcels" as one token of each letter, and takes no other word whole.
#[cfg(feature = "local-embeddings")]
fn spelling() -> tempfile::NamedTempFile {
    let mut vocab = serde_json::Map::new();
    vocab.insert("[UNK]".to_owned(), 0.into());
    for letter in 'a'..='z' {
        let id = vocab.len();
        vocab.insert(letter.to_string(), id.into());
        vocab.insert(format!("##{letter}"), (id + 1).into());
    }
    let file = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocab},
    });
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), file.to_string()).unwrap();
    kept
}

#[cfg(feature = "local-embeddings")]
#[tokio::test]
async fn passages_are_counted_by_the_tokenizer_of_the_model_that_embeds_them() {
    let (input, tokenizer) = (tempfile::NamedTempFile::new().unwrap(), spelling());
    std::fs::write(input.path(), "Parcels arrive by bicycle ".repeat(20)).unwrap();
    let mut asked = request(Path::new(CHILD), MediaType::Text, input.path());
    asked.tokenizer_file = Some(tokenizer.path());
    asked.chunking.max_tokens = 64;
    asked.chunking.overlap_tokens = 0;
    let read = collect(&asked, &Limits::default()).await.unwrap();
    // 22 letters in each of the twenty repetitions: three fit, less whatever a cut leaves.
    let tokens: usize = read.chunks.iter().map(|chunk| chunk.token_count).sum();
    assert_eq!(tokens, 22 * 20);
    assert!(read.chunks.iter().all(|chunk| chunk.token_count <= 64));
    asked.tokenizer_file = Some(Path::new("/nonexistent/tokenizer.json"));
    let failed = collect(&asked, &Limits::default()).await;
    assert!(matches!(failed, Err(ExtractError::Unavailable(_))));
}

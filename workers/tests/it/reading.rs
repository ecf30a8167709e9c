//! A document is written and embedded while its file is still being read, by a reader that stops
//! where the test says.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use domain::{DocumentId, DocumentStatus};
use llm::HashedNgrams;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::looks::eventually;
use crate::stage::{Stage, settings};

/// What a reader brings in one run.
const RUN: usize = 64;

/// A reader that says what it is told to, in two halves.
struct Script {
    folder: TempDir,
}

impl Script {
    /// Says `first`, waits until [`Script::go_on`], says `rest`.
    fn new(first: &[Value], rest: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("first"), frames(first)).unwrap();
        std::fs::write(at("rest"), frames(rest)).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("gate"))
            .status();
        assert!(made.unwrap().success());
        let place = folder.path().display();
        let script = format!(
            "#!/bin/sh\n/bin/cat {place}/first\nread line < {place}/gate\n/bin/cat {place}/rest\n"
        );
        std::fs::write(at("reader"), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(at("reader"), executable).unwrap();
        Self { folder }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("reader")
    }

    async fn go_on(&self) {
        let gate = self.folder.path().join("gate");
        tokio::fs::write(gate, "go\n").await.unwrap();
    }

    /// Uploads a document that this reader reads.
    async fn upload_to(&self, stage: &Stage) -> DocumentId {
        stage.upload("rules.txt", "text/plain", b"any").await
    }
}

/// As a reader writes them: JSON, each behind its length.
fn frames(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        let json = serde_json::to_vec(value).unwrap();
        bytes.extend_from_slice(&u32::try_from(json.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&json);
    }
    bytes
}

fn facts() -> Value {
    json!({"Facts": {
        "media_type": "text/plain",
        "title": null,
        "author": null,
        "page_count": null,
        "text_config": "english",
    }})
}

/// Chunks with these ordinals that say so, and `word`.
fn chunks(word: &str, ordinals: Range<usize>) -> Value {
    let chunk = |ordinal: usize| {
        json!({
            "ordinal": ordinal,
            "text": format!("{word} number{ordinal}"),
            "token_count": 3,
            "char_start": ordinal * 20,
            "char_end": ordinal * 20 + 19,
            "page": null,
            "heading": null,
        })
    };
    json!({"Chunks": ordinals.map(chunk).collect::<Vec<_>>()})
}

async fn read_by(script: &Script) -> Stage {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    Arc::make_mut(&mut stage.assistant.settings).extract_program = script.program();
    stage.work().await;
    stage
}

/// Waits until so many chunks have their vectors.
async fn embedded(stage: &Stage, chunks: usize) {
    eventually("the first chunks are embedded", async || {
        let embedded = stage.count("chunk_embeddings").await;
        (embedded >= i64::try_from(chunks).unwrap()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_read_is_embedded_before_the_rest_comes_and_found_once_all_is_there() {
    let script = Script::new(
        &[facts(), chunks("teapot", 0..RUN)],
        &[chunks("kettle", RUN..94), json!("End")],
    );
    let stage = read_by(&script).await;
    let id = script.upload_to(&stage).await;
    embedded(&stage, RUN).await;
    let document = stage.document(id).await;
    assert_eq!(document.status, DocumentStatus::Processing);
    assert_eq!(stage.found("teapot").await, []);
    script.go_on().await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.chunk_count, 94);
    assert!(!stage.found("teapot").await.is_empty());
    assert!(!stage.found("kettle").await.is_empty());
    stage.rest_in_peace().await;
    assert_eq!(stage.count("chunk_embeddings").await, 94);
}

#[tokio::test]
async fn a_version_whose_last_run_is_embedded_before_it_is_written_whole_is_shown_all_the_same() {
    let script = Script::new(&[facts(), chunks("teapot", 0..RUN)], &[json!("End")]);
    let stage = read_by(&script).await;
    let id = script.upload_to(&stage).await;
    embedded(&stage, RUN).await;
    eventually("no other job is left", async || {
        (stage.count("jobs").await == 1).then_some(())
    })
    .await;
    script.go_on().await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.chunk_count, 64);
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn a_file_that_is_read_anew_in_another_way_leaves_nothing_of_the_first() {
    let script = Script::new(
        &[facts(), chunks("teapot", 0..RUN)],
        &[facts(), chunks("kettle", 0..70), json!("End")],
    );
    let stage = read_by(&script).await;
    let id = script.upload_to(&stage).await;
    embedded(&stage, RUN).await;
    script.go_on().await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.chunk_count, 70);
    stage.rest_in_peace().await;
    assert_eq!(stage.count("chunk_embeddings").await, 70);
    let found = stage.found("teapot kettle").await;
    assert!(!found.is_empty());
    assert!(found.iter().all(|(_, text)| text.starts_with("kettle")));
}

#[tokio::test]
async fn a_reader_that_fails_late_leaves_nothing_to_be_found() {
    let script = Script::new(&[facts(), chunks("teapot", 0..RUN)], &[json!("Nonsense")]);
    let stage = read_by(&script).await;
    let id = script.upload_to(&stage).await;
    embedded(&stage, RUN).await;
    script.go_on().await;
    stage.stands(id, DocumentStatus::Failed).await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("chunks").await, 0);
    assert_eq!(stage.count("keyword_segments").await, 0);
    assert_eq!(stage.found("teapot").await, []);
}

#[tokio::test]
async fn a_set_that_takes_over_while_a_file_is_read_gets_all_of_it() {
    let script = Script::new(
        &[facts(), chunks("teapot", 0..RUN)],
        &[chunks("kettle", RUN..94), json!("End")],
    );
    let stage = read_by(&script).await;
    let id = script.upload_to(&stage).await;
    embedded(&stage, RUN).await;
    for statement in [
        "UPDATE embedding_sets SET status = 'retired'",
        "INSERT INTO embedding_sets (tenant_id, provider, model, dimensions, status)
         SELECT tenant_id, provider, model, dimensions, 'live' FROM embedding_sets",
    ] {
        let changed = sqlx::query(statement).execute(stage.database.pool());
        assert_eq!(changed.await.unwrap().rows_affected(), 1);
    }
    script.go_on().await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.chunk_count, 94);
    stage.rest_in_peace().await;
    let live = "chunk_embeddings JOIN embedding_sets ON id = set_id WHERE status = 'live'";
    assert_eq!(stage.count(live).await, 94);
}

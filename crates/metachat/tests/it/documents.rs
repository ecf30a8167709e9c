//! Files that cannot be read harm nothing but their own document; a crash leaves no half document.

use serde_json::{Value, json};

use crate::pdf_writer::Pdf;
use crate::process::until;
use crate::shop::Shop;
use crate::stage::Stage;

fn garbage() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    b"%PDF-1.7\n"
        .iter()
        .copied()
        .chain(noise.take(50_000))
        .collect()
}

fn encrypted() -> Vec<u8> {
    let mut pdf = Pdf::with_pages(&[&["Secret"]]);
    pdf.object(&format!(
        "<< /Filter /Standard /V 2 /R 3 /Length 128 /P -3904 /O <{}> /U <{}> >>",
        "5a".repeat(32),
        "a5".repeat(32)
    ));
    let id = "<00112233445566778899aabbccddeeff>";
    pdf.trailer(&format!("/Encrypt 7 0 R /ID [{id} {id}]"));
    pdf.bytes()
}

#[tokio::test]
async fn process_bad_pdf_fails_with_a_sentence_and_the_worker_goes_on() {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let worker = stage.worker();
    let shop = Shop::open(&api.http).await;
    let bad: [(&str, Vec<u8>, &str); 3] = [
        (
            "garbage.pdf",
            garbage(),
            "The file is damaged and cannot be read.",
        ),
        (
            "secret.pdf",
            encrypted(),
            "The file is protected by a password.",
        ),
        (
            "words.pdf",
            b"Just words.".to_vec(),
            "The file is not a PDF although its name says so.",
        ),
    ];
    for (name, bytes, reason) in bad {
        let document = shop.upload(&api.http, name, &bytes).await;
        assert_eq!(document["status"], "failed", "{document}");
        assert_eq!(document["error"], reason, "{document}");
    }
    let good = Pdf::with_pages(&[&["Returns are free for thirty days."]]).bytes();
    let document = shop.upload(&api.http, "good.pdf", &good).await;
    assert_eq!(document["status"], "ready", "{document}");
    assert_eq!(document["page_count"], 1);
    // The very same process, to the end.
    worker.drained().await;
}

/// An embedder that is done before a job for it would be handed out.
fn builtin() -> Value {
    json!({"provider": "builtin"})
}

/// An embedder whose vectors take jobs of their own.
fn openai() -> Value {
    json!({"provider": "openai", "dimensions": 64})
}

/// Kills a worker at `point` while it makes a document searchable, and starts another.
async fn kill_a_worker_at(point: &str, embedding: &Value) {
    let stage = Stage::new().await;
    let api = stage.api().await;
    let shop = Shop::open_embedded_by(&api.http, embedding).await;
    let doomed = stage.worker_with(&format!("{point}=kill"));
    let lines = ["Returns are free for thirty days."];
    let bytes = Pdf::with_pages(&[&lines, &["Lamps are sold without bulbs."]]).bytes();
    let uploaded = shop.start_upload(&api.http, "good.pdf", &bytes).await;
    doomed.killed().await;
    let before = shop.document(&api.http, &uploaded).await;
    assert_ne!(before["status"], "ready", "{before}");

    let next = stage.worker();
    let document = shop.read(&api.http, &uploaded).await;
    assert_eq!(document["status"], "ready", "{document}");
    assert_eq!(document["page_count"], 2, "{document}");
    // Its index is tended after it is ready.
    until("nothing is left to do", || async {
        (stage.count("SELECT count(*) FROM jobs").await == 0).then_some(())
    })
    .await;
    next.drained().await;
    let chunks = stage.count("SELECT count(*) FROM chunks").await;
    assert_eq!(document["chunk_count"], chunks, "{document}");
    assert_eq!(stage.count("SELECT count(*) FROM dead_jobs").await, 0);
}

#[tokio::test]
async fn process_killed_before_a_file_is_read() {
    kill_a_worker_at("ingest.before_extract", &builtin()).await;
}

#[tokio::test]
async fn process_killed_before_chunks_are_stored() {
    kill_a_worker_at("ingest.before_commit", &builtin()).await;
}

#[tokio::test]
async fn process_killed_before_the_embedding_of_chunks_is_enqueued() {
    kill_a_worker_at("ingest.before_commit", &openai()).await;
}

#[tokio::test]
async fn process_killed_before_a_document_is_switched_to() {
    kill_a_worker_at("embed.before_switch", &openai()).await;
}

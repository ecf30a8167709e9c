//! A document becomes searchable, whole or not at all.

use std::sync::Arc;

use assistant::ingest;
use domain::{DocumentStatus, MessageStatus};
use jobs::kinds::EmbedChunk;
use llm::HashedNgrams;

use crate::library::{Gated, HELD_UP, Turned};
use crate::looks::eventually;
use crate::pdf_writer::Pdf;
use crate::stage::{Stage, settings};

const OLD: &str = "Returns are free for fourteen days after the delivery.";

#[tokio::test]
async fn text_markdown_and_pdf_become_searchable() {
    let stage = Stage::start().await;
    let pages: [&[&str]; 3] = [
        &["Welcome to the shop."],
        &["Returns are free for fourteen days."],
        &["Write to us at any time."],
    ];
    let pdf = Pdf::with_pages(&pages).bytes();
    let markdown = format!("# Rules\n\n## Returns\n\n{OLD}");
    for (name, media_type, content, page) in [
        ("rules.txt", "text/plain", OLD.as_bytes(), None),
        ("rules.md", "text/markdown", markdown.as_bytes(), None),
        ("rules.pdf", "application/pdf", &pdf[..], Some(2)),
    ] {
        let id = stage.upload(name, media_type, content).await;
        let ready = stage.stands(id, DocumentStatus::Ready).await;
        assert_eq!(ready.live_version, Some(1), "{name}");
        assert_eq!(ready.error, None, "{name}");
        let found = stage.found("Are returns free?").await;
        assert!(
            found[0].1.contains("fourteen days") && found[0].0 == page,
            "{name}: {found:?}"
        );
        stage.delete_document(id).await;
        assert_eq!(stage.found("Are returns free?").await, [], "{name}");
    }
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn an_answer_names_the_page_it_stands_on() {
    let mut settings = settings();
    settings.llm.provider = "builtin".to_owned();
    let stage = Stage::start_with(settings).await;
    let pages: [&[&str]; 2] = [
        &["We sell green tea and black tea from four gardens."],
        &["Returns are free for fourteen days after the delivery."],
    ];
    let pdf = Pdf::with_pages(&pages).bytes();
    let id = stage.upload("rules.pdf", "application/pdf", &pdf).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.say("For how many days are returns free?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    assert!(answer.text.contains("fourteen days"), "{}", answer.text);
    let cited: Vec<_> = answer
        .sources
        .iter()
        .map(|source| (source.document_id, source.page))
        .collect();
    assert_eq!(cited, [(id, Some(2))]);
}

#[tokio::test]
async fn the_old_version_is_found_until_the_new_one_is_whole() {
    let (embedder, gate) = Gated::closed();
    let mut stage = Stage::set(settings(), embedder).await;
    stage.work().await;
    let id = stage
        .upload("rules.txt", "text/plain", OLD.as_bytes())
        .await;
    stage.stands(id, DocumentStatus::Ready).await;
    let new = format!("Returns are free for {HELD_UP} days, from now on.");
    stage.reindex(id, new.as_bytes()).await;
    // Its chunks are written and wait for their vectors.
    eventually("the chunks of the new version are there", async || {
        (stage.count("chunks WHERE version = 2").await > 0).then_some(())
    })
    .await;
    let found = stage.found("Are returns free?").await;
    assert_eq!(found, [(None, OLD.to_owned())]);
    let document = stage.document(id).await;
    assert_eq!(document.status, DocumentStatus::Processing);
    assert_eq!(document.live_version, Some(1));
    gate.add_permits(1);
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.live_version, Some(2));
    assert_eq!(stage.found("Are returns free?").await, [(None, new)]);
    stage.rest_in_peace().await;
    assert_eq!(stage.count("chunks WHERE version = 1").await, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_any_more_leaves_the_old_version_live_and_says_why() {
    let stage = Stage::start().await;
    let pdf = Pdf::with_pages(&[&["Returns are free for fourteen days."]]).bytes();
    let id = stage.upload("rules.pdf", "application/pdf", &pdf).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.reindex(id, b"%PDF-1.7 and no more").await;
    let failed = stage.stands(id, DocumentStatus::Failed).await;
    assert!(failed.error.is_some_and(|why| why.ends_with('.')));
    assert_eq!(failed.live_version, Some(1));
    stage.rest_in_peace().await;
    let found = stage.found("Are returns free?").await;
    assert_eq!(found.len(), 1);
    // The next file is good again.
    stage.reindex(id, &pdf).await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!((ready.live_version, ready.error), (Some(3), None));
}

#[tokio::test]
async fn a_file_that_was_never_good_fails_for_a_reason_that_people_understand() {
    let stage = Stage::start().await;
    let id = stage
        .upload("rules.pdf", "application/pdf", b"not a PDF")
        .await;
    let failed = stage.stands(id, DocumentStatus::Failed).await;
    let reason = "The file is not a PDF although its name says so.";
    assert_eq!(failed.error.as_deref(), Some(reason));
    assert_eq!(failed.live_version, None);
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn the_jobs_of_a_deleted_document_end_quietly() {
    let mut stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let id = stage
        .upload("rules.txt", "text/plain", OLD.as_bytes())
        .await;
    let run = EmbedChunk {
        tenant_id: stage.tenant,
        document_id: id,
        version: 1,
        first: 0,
        count: 64,
    };
    let mut tx = stage.assistant.db.tenant(stage.tenant).await.unwrap();
    jobs::enqueue(&mut tx, &run).await.unwrap();
    tx.commit().await.unwrap();
    stage.delete_document(id).await;
    stage.work().await;
    stage.rest_in_peace().await;
    let done = "job_history WHERE outcome = 'done' AND tenant_id IS NOT NULL";
    assert_eq!(stage.count(done).await, 2);
    assert_eq!(stage.count("chunks").await, 0);
}

#[tokio::test]
async fn a_document_deleted_while_it_is_embedded_leaves_nothing_behind() {
    let (embedder, gate) = Gated::closed();
    let mut stage = Stage::set(settings(), embedder).await;
    stage.work().await;
    let text = format!("Returns are free for {HELD_UP} days.");
    let id = stage
        .upload("rules.txt", "text/plain", text.as_bytes())
        .await;
    eventually("its chunks are written", async || {
        (stage.count("chunks").await > 0).then_some(())
    })
    .await;
    stage.delete_document(id).await;
    gate.add_permits(1);
    stage.rest_in_peace().await;
    assert_eq!(stage.count("chunks").await, 0);
    assert_eq!(stage.found("Are returns free?").await, []);
}

#[tokio::test]
async fn another_model_takes_over_once_it_has_every_document() {
    let mut stage = Stage::start().await;
    let hours = "The shop opens at nine on every day of the week.";
    for (name, text) in [("rules.txt", OLD), ("hours.txt", hours)] {
        let id = stage.upload(name, "text/plain", text.as_bytes()).await;
        stage.stands(id, DocumentStatus::Ready).await;
    }
    stage.rest_in_peace().await;
    stage.change_embedder(Arc::new(Turned)).await;
    ingest::tend_all(&stage.assistant).await.unwrap();
    // Found at any moment, by whichever vectors are live.
    eventually("the other model's vectors are live", async || {
        let found = stage.found("Are returns free?").await;
        assert_eq!(found.first(), Some(&(None, OLD.to_owned())));
        let live = "embedding_sets WHERE status = 'live' AND model = 'turned-1'";
        (stage.count(live).await == 1).then_some(())
    })
    .await;
    stage.rest_in_peace().await;
    assert_eq!(stage.count("embedding_sets").await, 1);
    assert_eq!(stage.count("chunk_embeddings").await, 2);
    let id = stage
        .upload("new.txt", "text/plain", b"Tea is sold by weight.")
        .await;
    stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(stage.count("chunk_embeddings").await, 3);
    let found = stage.found("Is tea sold by weight?").await;
    assert!(found[0].1.contains("by weight"), "{found:?}");
}

//! Documents that come from an address.

use std::time::Duration;

use assistant::ingest;
use assistant::ingest::fetch::refresh_due;
use domain::{DocumentId, DocumentSource, DocumentStatus};
use store::document_sources::{self, Source};
use store::documents::{self, NewDocument};

use crate::looks::eventually;
use crate::pages::{Page, Site};
use crate::stage::Stage;

const HOUR: i32 = 3600;
const OLD: &str = "Returns are free for fourteen days after the delivery.";
const NEW: &str = "Returns are free for sixty days after the delivery.";

impl Stage {
    /// Adds an address as the API does.
    async fn add_url(&self, url: &str, refresh_seconds: Option<i32>) -> DocumentId {
        let id = DocumentId::new();
        let new = NewDocument {
            id,
            name: url,
            source: DocumentSource::Url,
            media_type: "",
            size_bytes: 0,
            sha256: &[0; 32],
            file_key: "",
        };
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        let document = documents::insert(&mut tx, &new).await.unwrap();
        document_sources::insert(&mut tx, id, url, refresh_seconds)
            .await
            .unwrap();
        ingest::begin_version(&mut tx, &document).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn source(&self, id: DocumentId) -> Source {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        document_sources::find(&mut tx, id).await.unwrap().unwrap()
    }

    async fn reindex_url(&self, id: DocumentId) {
        let mut tx = self.assistant.db.tenant(self.tenant).await.unwrap();
        ingest::request_version(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn stored_files(&self) -> usize {
        let folder = self.assistant.files.root().join(self.tenant.to_string());
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn an_address_is_fetched_and_looked_at_again_when_it_is_due() {
    let stage = Stage::start().await;
    let site = Site::start().await;
    site.says([
        Page::status(302).with("location", "/rules.txt"),
        Page::text(OLD)
            .with("etag", "\"one\"")
            .with("last-modified", "Mon, 23 Nov 2026 08:00:00 GMT"),
    ]);
    let id = stage.add_url(&site.url("/rules"), Some(HOUR)).await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(
        (ready.live_version, &*ready.media_type),
        (Some(1), "text/plain")
    );
    assert_eq!(
        stage.found("Are returns free?").await,
        [(None, OLD.to_owned())]
    );
    let source = stage.source(id).await;
    assert_eq!(source.etag.as_deref(), Some("\"one\""));
    let due = stage.assistant.clock.now() + chrono::TimeDelta::hours(1);
    assert_eq!(source.next_fetch_at.unwrap().timestamp(), due.timestamp());

    // Not due yet: nobody is asked.
    refresh_due(&stage.assistant).await.unwrap();
    stage.rest_in_peace().await;
    assert_eq!(site.requests().len(), 2);

    // Unchanged, by its own account.
    site.says([Page::status(304)]);
    stage.pass(Duration::from_hours(1));
    refresh_due(&stage.assistant).await.unwrap();
    stage.rest_in_peace().await;
    let asked = site.requests().pop().unwrap();
    assert!(asked.contains("if-none-match: \"one\""), "{asked}");
    assert!(asked.contains("if-modified-since: mon, 23 nov"), "{asked}");
    assert_eq!(stage.document(id).await.latest_version, 1);

    // Unchanged, as its content shows.
    site.says([Page::text(OLD)]);
    stage.pass(Duration::from_hours(1));
    refresh_due(&stage.assistant).await.unwrap();
    stage.rest_in_peace().await;
    assert_eq!(stage.document(id).await.latest_version, 1);
    assert_eq!(stage.stored_files(), 1);

    // Changed.
    site.says([Page::text(NEW)]);
    stage.pass(Duration::from_hours(1));
    refresh_due(&stage.assistant).await.unwrap();
    stage.rest_in_peace().await;
    let ready = stage.document(id).await;
    assert_eq!(
        (ready.status, ready.live_version),
        (DocumentStatus::Ready, Some(2))
    );
    assert_eq!(
        stage.found("Are returns free?").await,
        [(None, NEW.to_owned())]
    );
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test]
async fn a_look_in_vain_leaves_what_there_is_and_says_why() {
    let stage = Stage::start().await;
    let site = Site::start().await;
    site.says([Page::text(OLD)]);
    let id = stage.add_url(&site.url("/rules.txt"), Some(HOUR)).await;
    stage.stands(id, DocumentStatus::Ready).await;
    site.says([Page::status(404)]);
    stage.pass(Duration::from_hours(1));
    refresh_due(&stage.assistant).await.unwrap();
    stage.rest_in_peace().await;
    let document = stage.document(id).await;
    assert_eq!(document.status, DocumentStatus::Ready);
    let why = "There is nothing at the address (status 404).";
    assert_eq!(stage.source(id).await.error.as_deref(), Some(why));
    assert_eq!(stage.found("Are returns free?").await.len(), 1);
    // Asked for by name it fails, and the old version still stays.
    stage.reindex_url(id).await;
    let failed = stage.stands(id, DocumentStatus::Failed).await;
    assert_eq!(
        (failed.error.as_deref(), failed.live_version),
        (Some(why), Some(1))
    );
    assert_eq!(stage.found("Are returns free?").await.len(), 1);
    site.says([Page::text(NEW)]);
    stage.reindex_url(id).await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.live_version, Some(3));
    assert_eq!(stage.source(id).await.error, None);
}

#[tokio::test]
async fn an_address_that_is_out_of_order_is_asked_again() {
    let stage = Stage::start().await;
    let site = Site::start().await;
    site.says([Page::status(503), Page::text(OLD)]);
    let id = stage.add_url(&site.url("/rules.txt"), None).await;
    let ready = eventually("the document is ready after all", async || {
        stage.hurry().await;
        let document = stage.document(id).await;
        (document.status == DocumentStatus::Ready).then_some(document)
    })
    .await;
    assert_eq!(site.requests().len(), 2);
    assert_eq!(ready.live_version, Some(1));
    assert_eq!(stage.source(id).await.error, None);
}

#[tokio::test]
async fn what_cannot_be_taken_fails_for_a_reason_that_people_understand() {
    let stage = Stage::start().await;
    let site = Site::start().await;
    let long = "words and ".repeat(200_000);
    let inside = "http://10.0.0.1/latest/meta-data";
    for (pages, reason) in [
        (vec![Page::status(404)], "There is nothing at the address"),
        (vec![Page::status(403)], "does not let us read it"),
        (
            vec![Page::status(302).with("location", inside)],
            "The address is not a public one.",
        ),
        (
            vec![Page::status(302).with("location", "/again")],
            "leads to another one too often",
        ),
        (vec![Page::status(302)], "leads nowhere"),
        (vec![Page::status(304)], "gave no content"),
        (vec![Page::text(&long)], "larger than 1048576 bytes"),
        (vec![Page::text("")], "is empty"),
        (
            vec![Page::of(200, b"\x89PNG\r\n\x1a\n")],
            "Pictures are not supported",
        ),
        (
            vec![Page::of(200, b"\x1f\x8b").with("content-encoding", "gzip")],
            "compressed",
        ),
    ] {
        site.says(pages);
        let id = stage.add_url(&site.url("/rules"), None).await;
        let failed = stage.stands(id, DocumentStatus::Failed).await;
        let error = failed.error.unwrap();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    stage.rest_in_peace().await;
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test]
async fn what_becomes_of_documents_is_told_to_integrators() {
    let stage = Stage::start().await;
    stage.endpoint("http://127.0.0.1:9/").await;
    let id = stage
        .upload("rules.txt", "text/plain", OLD.as_bytes())
        .await;
    stage.stands(id, DocumentStatus::Ready).await;
    let id = stage
        .upload("rules.pdf", "application/pdf", b"not a PDF")
        .await;
    stage.stands(id, DocumentStatus::Failed).await;
    assert_eq!(stage.events().await, ["document.ready", "document.failed"]);
}

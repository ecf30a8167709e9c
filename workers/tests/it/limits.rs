//! Embedders that ask to wait, take less than they were given, or say nothing at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assistant::ingest::vectors_for;
use assistant::providers::Providers;
use domain::{DocumentStatus, EmbeddingSettings, Health, MessageStatus, TenantSettings};
use llm::{Embedded, Embedder, Error, HashedNgrams};
use testkit::standin::OpenAiFault;

use crate::looks::eventually;
use crate::stage::{Stage, settings};
use crate::vectors::embedders;

/// Makes callers wait a few times, and takes so many texts at a time.
struct Limited {
    refusals_left: AtomicUsize,
    most_texts: usize,
    taken: Mutex<Vec<usize>>,
}

impl Limited {
    fn new(refusals: usize, most_texts: usize) -> Self {
        Self {
            refusals_left: AtomicUsize::new(refusals),
            most_texts,
            taken: Mutex::default(),
        }
    }
}

#[async_trait::async_trait]
impl Embedder for Limited {
    fn provider(&self) -> &'static str {
        "limited"
    }

    fn model(&self) -> &'static str {
        "limited-1"
    }

    fn dimensions(&self) -> usize {
        HashedNgrams.dimensions()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        let provider = "limited";
        let left = &self.refusals_left;
        let less = |left: usize| left.checked_sub(1);
        if left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
        {
            return Err(Error::RateLimited {
                provider,
                retry_after: Some(Duration::ZERO),
            });
        }
        if texts.len() > self.most_texts {
            let detail = "too many".to_owned();
            return Err(Error::ContextTooLong { provider, detail });
        }
        self.taken.lock().unwrap().push(texts.len());
        HashedNgrams.embed(texts).await
    }
}

#[tokio::test]
async fn a_limit_that_is_met_more_often_than_a_job_may_fail_is_waited_for() {
    let embedder = Arc::new(Limited::new(7, usize::MAX));
    let mut stage = Stage::set(settings(), embedder).await;
    stage.work().await;
    let text = "Returns are free for fourteen days.";
    let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
    let ready = eventually("the document is ready", async || {
        stage.hurry().await;
        let document = stage.document(id).await;
        (document.status == DocumentStatus::Ready).then_some(document)
    })
    .await;
    assert_eq!(ready.waiting_because, None);
    stage.rest_in_peace().await;
    assert_eq!(stage.count("job_attempts WHERE outcome = 'retry'").await, 0);
}

#[tokio::test]
async fn what_is_too_much_for_one_request_is_sent_in_halves() {
    let stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let embedder = Limited::new(0, 3);
    let texts: Vec<String> = (0..10).map(|number| format!("text {number}")).collect();
    let vectors = vectors_for(&stage.assistant, stage.tenant, &embedder, &texts).await;
    let expected = HashedNgrams.embed(&texts).await.unwrap().vectors;
    assert_eq!(vectors.unwrap(), expected);
    assert_eq!(*embedder.taken.lock().unwrap(), [2; 5]);
}

/// A stage that embeds by OpenAI, and its one document.
async fn with_openai() -> Stage {
    let embedding = EmbeddingSettings {
        provider: "openai".to_owned(),
        ..EmbeddingSettings::default()
    };
    let settings = TenantSettings {
        embedding: Some(embedding),
        ..settings()
    };
    let mut stage = Stage::set(settings, Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    stage.work().await;
    stage
}

#[tokio::test]
async fn a_silent_embedder_costs_the_answer_its_vectors_and_nothing_else() {
    let stage = with_openai().await;
    let text = "Returns are free for fourteen days.";
    let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
    stage.stands(id, DocumentStatus::Ready).await;
    stage.rest_in_peace().await;
    stage.model.script_embeddings([OpenAiFault::Hang]);
    stage.say("Are returns free?").await;
    let answer = stage.answer(MessageStatus::Sent).await;
    let text = &answer.text;
    assert!(text.starts_with("Answer from the sources: "), "{text}");
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn a_refused_key_says_on_the_document_what_to_do() {
    let stage = with_openai().await;
    stage.model.script_embeddings([OpenAiFault::Unauthorized]);
    let text = "Returns are free for fourteen days.";
    let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
    let failed = stage.stands(id, DocumentStatus::Failed).await;
    let error = failed.error.unwrap();
    assert!(error.contains("openai refuses the key"), "{error}");
    assert!(
        error.contains("Put a valid key into the settings."),
        "{error}"
    );
    assert_eq!(failed.waiting_because, None);
    let providers = Providers::new(stage.assistant.clone());
    let embedding = providers.list(stage.tenant).await.unwrap().embedding;
    assert_eq!(embedding.model, "text-embedding-3-small");
    let health = embedding.health.unwrap();
    assert_eq!(
        (health.health, health.fault.as_deref()),
        (Health::Down, Some("key_refused"))
    );
}

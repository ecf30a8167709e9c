//! Vectors are made once: the cache of each tenant, and what becomes of calls that fail.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use assistant::ingest::vectors_for;
use domain::{DocumentStatus, EmbeddingSettings, TenantId, TenantSettings};
use jobs::kinds::EmbedChunk;
use jobs::{Failure, Job as _};
use llm::{Embedded, Embedder, Embedders, Error, HashedNgrams, LocalModel, PlatformEmbedding};
use store::tenants::{self, TenantValues};
use testkit::standin::OpenAiFault;

use crate::looks::eventually;
use crate::pdf_writer::Pdf;
use crate::stage::{Stage, settings};
use crate::switches::add_written;

/// Takes two texts at a time, notes what it gets, and refuses what it is told to.
#[derive(Default)]
struct Noting {
    calls: Mutex<Vec<Vec<String>>>,
    refused: Mutex<Option<&'static str>>,
    /// Whether what is refused is refused for good.
    for_good: AtomicBool,
}

impl Noting {
    fn calls(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn refuse(&self, text: Option<&'static str>) {
        *self.refused.lock().unwrap() = text;
    }
}

#[async_trait::async_trait]
impl Embedder for Noting {
    fn provider(&self) -> &'static str {
        "noting"
    }

    fn model(&self) -> &'static str {
        "noting-1"
    }

    fn dimensions(&self) -> usize {
        HashedNgrams.dimensions()
    }

    fn batch_len(&self, texts: &[String]) -> usize {
        texts.len().clamp(1, 2)
    }

    async fn embed(&self, texts: &[String]) -> Result<Embedded, Error> {
        let refused = *self.refused.lock().unwrap();
        if refused.is_some_and(|refused| texts.iter().any(|text| text.contains(refused))) {
            let provider = "noting";
            return Err(if self.for_good.load(Ordering::Relaxed) {
                let detail = "no such text".to_owned();
                Error::BadRequest { provider, detail }
            } else {
                Error::Unavailable {
                    provider,
                    retry_after: None,
                    source: None,
                }
            });
        }
        self.calls.lock().unwrap().push(texts.to_vec());
        HashedNgrams.embed(texts).await
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

async fn vectors(
    stage: &Stage,
    tenant: TenantId,
    embedder: &Noting,
    text: &str,
) -> Result<(), Failure> {
    let texts = words(text);
    let vectors = vectors_for(&stage.assistant, tenant, embedder, &texts).await?;
    let expected = HashedNgrams.embed(&texts).await.unwrap().vectors;
    assert_eq!(vectors, expected, "{text}");
    Ok(())
}

async fn another_tenant(stage: &Stage) -> TenantId {
    let id = TenantId::new();
    let values = TenantValues {
        name: "Other",
        enabled: true,
        settings: &TenantSettings::default(),
        sealed_secrets: None,
    };
    let mut tx = stage.assistant.db.system().await.unwrap();
    tenants::insert(&mut tx, id, &values).await.unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn a_text_is_embedded_once_for_each_tenant() {
    let stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let embedder = Noting::default();
    let mine = async |text| vectors(&stage, stage.tenant, &embedder, text).await;
    mine("one two one three two").await.unwrap();
    let calls = [words("one two"), words("three")];
    assert_eq!(embedder.calls(), calls);
    mine("three four one").await.unwrap();
    assert_eq!(embedder.calls(), [words("four")]);
    // Nobody learns from the time it takes what another tenant has.
    let other = another_tenant(&stage).await;
    vectors(&stage, other, &embedder, "one four").await.unwrap();
    assert_eq!(embedder.calls(), [words("one four")]);
}

#[tokio::test]
async fn what_was_made_before_a_failure_is_not_made_again() {
    let stage = Stage::set(settings(), Arc::new(HashedNgrams)).await;
    let embedder = Noting::default();
    embedder.refuse(Some("five"));
    let text = "one two three four five six";
    let failure = vectors(&stage, stage.tenant, &embedder, text).await;
    assert!(matches!(failure, Err(Failure::Retry(_))), "{failure:?}");
    assert_eq!(embedder.calls().len(), 2);
    embedder.refuse(None);
    vectors(&stage, stage.tenant, &embedder, text)
        .await
        .unwrap();
    assert_eq!(embedder.calls(), [words("five six")]);
}

#[tokio::test]
async fn indexing_again_embeds_only_what_changed() {
    let embedder = Arc::new(Noting::default());
    let mut stage = Stage::set(settings(), Arc::<Noting>::clone(&embedder)).await;
    stage.work().await;
    let pages = |second: &'static str| {
        let pages: [&[&str]; 3] = [
            &["We sell green tea and black tea."],
            &[second],
            &["Write to us at any time."],
        ];
        Pdf::with_pages(&pages).bytes()
    };
    let old = pages("Returns are free for fourteen days.");
    let id = stage.upload("rules.pdf", "application/pdf", &old).await;
    stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(embedder.calls().concat().len(), 3);
    let new = pages("Returns are free for thirty-one days.");
    stage.reindex(id, &new).await;
    let ready = stage.stands(id, DocumentStatus::Ready).await;
    assert_eq!(ready.live_version, Some(2));
    let again = embedder.calls().concat();
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].contains("thirty-one"), "{again:?}");
    stage.rest_in_peace().await;
}

#[tokio::test]
async fn a_text_that_is_refused_fails_its_own_document_alone() {
    let embedder = Arc::new(Noting::default());
    embedder.refuse(Some("thirty"));
    embedder.for_good.store(true, Ordering::Relaxed);
    let mut stage = Stage::set(settings(), Arc::<Noting>::clone(&embedder)).await;
    let mut ids = Vec::new();
    for text in ["We sell tea.", "Free for thirty days.", "Write to us."] {
        ids.push(stage.upload("a.txt", "text/plain", text.as_bytes()).await);
    }
    stage.work().await;
    stage.stands(ids[0], DocumentStatus::Ready).await;
    stage.stands(ids[1], DocumentStatus::Failed).await;
    stage.stands(ids[2], DocumentStatus::Ready).await;
}

/// The embedders of a product whose OpenAI is the stand-in, and which has no model of its own.
pub(crate) fn embedders(stage: &Stage) -> Embedders {
    embedders_by(stage, "builtin")
}

/// The same with a provider that the platform embeds by.
pub(crate) fn embedders_by(stage: &Stage, provider: &str) -> Embedders {
    let platform = PlatformEmbedding {
        settings: EmbeddingSettings {
            provider: provider.to_owned(),
            ..EmbeddingSettings::default()
        },
        local: LocalModel {
            folder: "/nonexistent".into(),
            at_a_time: NonZeroUsize::MIN,
        },
    };
    Embedders::new(Arc::clone(&stage.assistant.models), &platform).unwrap()
}

/// Settings of a tenant that embeds by OpenAI's model, in vectors of so many numbers.
pub(crate) fn chosen(dimensions: u32) -> TenantSettings {
    let embedding = EmbeddingSettings {
        provider: "openai".to_owned(),
        dimensions: dimensions.try_into().ok(),
        ..EmbeddingSettings::default()
    };
    TenantSettings {
        embedding: Some(embedding),
        ..settings()
    }
}

#[tokio::test]
async fn jobs_that_wait_together_are_one_request_to_the_provider() {
    let mut stage = Stage::set(chosen(64), Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    let subjects = ["tea", "parcels", "hours", "lamps", "returns", "gifts"];
    let texts = subjects.map(|subject| format!("What we have to say of {subject}."));
    let mut ids = Vec::new();
    for text in &texts {
        ids.push(add_written(&stage, text).await);
    }
    stage.work().await;
    for id in ids {
        stage.stands(id, DocumentStatus::Ready).await;
    }
    stage.rest_in_peace().await;
    let asked = stage.model.received();
    let mut inputs: Vec<Vec<String>> = asked
        .into_iter()
        .map(|call| serde_json::from_value(call.body["input"].clone()).unwrap())
        .collect();
    let mut together = inputs.pop().unwrap();
    assert_eq!(inputs, Vec::<Vec<String>>::new());
    let mut texts = texts.to_vec();
    together.sort_unstable();
    texts.sort_unstable();
    assert_eq!(together, texts);
    // Each has the vector of its own text.
    for text in &texts {
        assert_eq!(&stage.found(text).await[0].1, text);
    }
}

#[tokio::test]
async fn a_tenant_is_embedded_for_by_the_model_it_chose() {
    let mut stage = Stage::set(chosen(64), Arc::new(HashedNgrams)).await;
    stage.assistant.embedders = Arc::new(embedders(&stage));
    // Longer than the client waits by itself: the job does.
    let limited = OpenAiFault::RateLimited {
        retry_after_seconds: 11,
    };
    stage.model.script_embeddings([limited]);
    stage.work().await;
    let text = "Returns are free for fourteen days.";
    let id = stage.upload("a.txt", "text/plain", text.as_bytes()).await;
    let wait = stage.put_off(EmbedChunk::KIND).await;
    assert!((6..=20).contains(&wait.as_secs()), "{wait:?}");
    stage.hurry().await;
    stage.stands(id, DocumentStatus::Ready).await;
    let found = stage.found("Are returns free?").await;
    assert_eq!(found, [(None, text.to_owned())]);
    let asked = stage.model.received();
    assert!(asked.iter().all(|call| call.path == "/v1/embeddings"));
    assert!(asked.iter().all(|call| call.body["dimensions"] == 64));
    eventually("the vectors are of that model", async || {
        let of_model = "chunk_embeddings JOIN embedding_sets ON id = set_id
             WHERE model = 'text-embedding-3-small' AND status = 'live'";
        (stage.count(of_model).await == 1).then_some(())
    })
    .await;
}

//! Vectors of a tenant's texts: made once, kept, and counted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{BudgetSettings, CallPurpose, TenantId};
use jobs::Failure;
use llm::{Embedder, Error};
use sha2::{Digest as _, Sha256};
use store::embedding_cache::{self, TextHash};
use store::tenants;

use crate::Assistant;
use crate::spending::{About, Calls};

/// How many texts are looked up in the cache by one statement.
const LOOK_UP: usize = 1000;

/// How long one job makes vectors: well within the time of its kind.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a job is put off that ran out of time; it goes on from what is kept.
const PAUSE: Duration = Duration::from_secs(1);

/// One vector for each of a tenant's texts, in their order, kept and counted.
///
/// # Errors
/// A retry for what may pass, as late as the provider asks; death for what will not; a snooze when
/// a slow model needs more time than one job has.
pub async fn vectors_for(
    assistant: &Assistant,
    tenant: TenantId,
    embedder: &dyn Embedder,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, Failure> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let budget = tenants::get(&mut tx).await?.settings.budget;
    tx.commit().await?;
    vectors_so_far(assistant, tenant, budget, embedder, texts)
        .await?
        .whole()
}

/// Vectors of texts, as far as they could be made.
#[derive(Debug)]
pub(super) struct Vectors {
    /// One for each text, in their order; `None` where it is not made yet.
    pub(super) made: Vec<Option<Vec<f32>>>,
    /// Why some are not made, if any is not.
    pub(super) stopped: Option<Stopped>,
}

impl Vectors {
    /// All of them, or why some are not made.
    pub(super) fn whole(self) -> Result<Vec<Vec<f32>>, Failure> {
        let all: Option<Vec<_>> = self.made.into_iter().collect();
        let stopped = self.stopped;
        all.ok_or_else(|| stopped.map_or_else(lost, |stopped| stopped.failure()))
    }
}

/// Why making vectors stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A slow model needs more time than one job has.
    OutOfTime,
    /// A call failed.
    Failed(Arc<Error>),
}

impl Stopped {
    /// Whether it may be one text's fault, so that the others are better tried without it.
    pub(super) fn may_be_of_one_text(&self) -> bool {
        matches!(
            self,
            Self::Failed(error)
                if matches!(**error, Error::BadRequest { .. } | Error::ContextTooLong { .. })
        )
    }

    /// What it means for a job.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::OutOfTime => Failure::Snooze {
                after: PAUSE,
                reason: "its vectors are being made".to_owned(),
            },
            Self::Failed(error) => failure_of(error),
        }
    }
}

/// Vectors of a tenant's texts. What the tenant had embedded before by the same model comes from
/// its cache; the rest is embedded in as few calls as the provider allows, each kept before the
/// next one, so that a failure costs no more than the call that failed. `budget` is the tenant's.
///
/// # Errors
/// Those of the database.
pub(super) async fn vectors_so_far(
    assistant: &Assistant,
    tenant: TenantId,
    budget: BudgetSettings,
    embedder: &dyn Embedder,
    texts: &[String],
) -> Result<Vectors, Failure> {
    let (key, keeps) = (embedder.key(), embedder.is_worth_keeping());
    let hashes: Vec<TextHash> = texts.iter().map(|text| hash(text)).collect();
    let mut vectors = HashMap::new();
    if keeps {
        look_up(assistant, tenant, &key, &hashes, &mut vectors).await?;
    }
    let (hashes_left, texts_left) = missing(&hashes, texts, &vectors);
    if texts_left.is_empty() {
        return Ok(in_order(&hashes, &vectors, None));
    }
    let (mut hashes_left, mut texts_left) = (&hashes_left[..], &texts_left[..]);
    let (begun, mut stopped) = (Instant::now(), None);
    let about = About {
        tenant,
        purpose: CallPurpose::Embedding,
        conversation: None,
        budget,
    };
    let calls = Calls::begin(assistant, about);
    while !texts_left.is_empty() {
        if begun.elapsed() > PATIENCE {
            stopped = Some(Stopped::OutOfTime);
            break;
        }
        let count = embedder.batch_len(texts_left).min(texts_left.len());
        let made = match call(&calls, embedder, &texts_left[..count]).await {
            Ok(made) => made,
            Err(error) => {
                stopped = Some(Stopped::Failed(Arc::new(error)));
                break;
            }
        };
        let made: Vec<_> = hashes_left.iter().copied().zip(made).collect();
        if keeps {
            let mut tx = assistant.db.tenant(tenant).await?;
            embedding_cache::insert_many(&mut tx, &key, &made).await?;
            tx.commit().await?;
        }
        vectors.extend(made);
        (hashes_left, texts_left) = (&hashes_left[count..], &texts_left[count..]);
    }
    calls.close().await;
    Ok(in_order(&hashes, &vectors, stopped))
}

/// The vectors in the order of the texts.
fn in_order(
    hashes: &[TextHash],
    vectors: &HashMap<TextHash, Vec<f32>>,
    stopped: Option<Stopped>,
) -> Vectors {
    let made = hashes.iter().map(|hash| vectors.get(hash).cloned());
    Vectors {
        made: made.collect(),
        stopped,
    }
}

/// Adds what the tenant has in its cache.
async fn look_up(
    assistant: &Assistant,
    tenant: TenantId,
    key: &str,
    hashes: &[TextHash],
    vectors: &mut HashMap<TextHash, Vec<f32>>,
) -> Result<(), Failure> {
    for part in hashes.chunks(LOOK_UP) {
        let mut tx = assistant.db.tenant(tenant).await?;
        vectors.extend(embedding_cache::find_many(&mut tx, key, part).await?);
        tx.commit().await?;
    }
    Ok(())
}

/// The texts without a vector, each once.
fn missing(
    hashes: &[TextHash],
    texts: &[String],
    vectors: &HashMap<TextHash, Vec<f32>>,
) -> (Vec<TextHash>, Vec<String>) {
    let mut seen = HashSet::new();
    let all = hashes.iter().zip(texts);
    all.filter(|(hash, _)| !vectors.contains_key(*hash) && seen.insert(**hash))
        .map(|(hash, text)| (*hash, text.clone()))
        .unzip()
}

/// Has the texts embedded by one call, and notes what it took.
async fn call(
    calls: &Calls,
    embedder: &dyn Embedder,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, Error> {
    let embedded = calls.embed(CallPurpose::Embedding, embedder, texts).await?;
    let vectors = embedded.vectors;
    if vectors.len() != texts.len() {
        return Err(Error::BrokenStream {
            provider: embedder.provider(),
            detail: format!("{} vectors for {} texts", vectors.len(), texts.len()),
            source: None,
        });
    }
    Ok(vectors)
}

fn hash(text: &str) -> TextHash {
    Sha256::digest(text.as_bytes()).into()
}

fn failure_of(error: &Arc<Error>) -> Failure {
    match error.retry_after() {
        _ if !error.is_transient() => Failure::dead(error.to_string()),
        Some(after) => Failure::retry_after(after, Arc::clone(error)),
        None => Failure::retry(Arc::clone(error)),
    }
}

/// Nothing stopped and yet a vector is missing: never, unless this file is wrong.
fn lost() -> Failure {
    Failure::dead("a text has no vector")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_missing_once() {
        let texts = ["a", "b", "a", "c"].map(str::to_owned);
        let hashes: Vec<_> = texts.iter().map(|text| hash(text)).collect();
        let has = HashMap::from([(hash("b"), vec![1.0])]);
        let (missing_hashes, missing_texts) = missing(&hashes, &texts, &has);
        assert_eq!(missing_texts, ["a", "c"]);
        assert_eq!(missing_hashes, [hash("a"), hash("c")]);
    }

    #[test]
    fn what_stopped_says_what_becomes_of_a_job() {
        let failed = |error| Stopped::Failed(Arc::new(error));
        let limited = failed(Error::RateLimited {
            provider: "openai",
            retry_after: Some(Duration::from_secs(20)),
        });
        assert!(!limited.may_be_of_one_text());
        assert!(matches!(
            limited.failure(),
            Failure::RetryAfter { after, .. } if after.as_secs() == 20
        ));
        let refused = failed(Error::KeyRefused { provider: "openai" });
        assert!(!refused.may_be_of_one_text());
        assert!(matches!(refused.failure(), Failure::Dead(_)));
        let bad = failed(Error::BadRequest {
            provider: "openai",
            detail: String::new(),
        });
        assert!(bad.may_be_of_one_text());
        let snoozed = Stopped::OutOfTime.failure();
        assert!(matches!(snoozed, Failure::Snooze { .. }));
    }
}

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

use super::stopped::Stopped;
use crate::Assistant;
use crate::spending::{About, Calls, Verdict};

/// How many texts are looked up in the cache by one statement.
const LOOK_UP: usize = 1000;

/// How long one job makes vectors: well within the time of its kind.
const PATIENCE: Duration = Duration::from_mins(1);

/// One vector for each of a tenant's texts, in their order, kept and counted.
///
/// # Errors
/// A retry for what may pass; death for what will not; a snooze when a slow model needs more time
/// than one job has, at a provider's limit, and while the budget is spent.
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
    let about = About {
        tenant,
        purpose: CallPurpose::Embedding,
        conversation: None,
        budget,
    };
    let making = Making {
        assistant,
        tenant,
        embedder,
        cache_key: keeps.then_some(&key),
        calls: Calls::begin(assistant, about),
    };
    let left = (&hashes_left[..], &texts_left[..]);
    let stopped = making.make(left, &mut vectors).await;
    making.calls.close().await;
    Ok(in_order(&hashes, &vectors, stopped?))
}

/// Whether calls of an embedder cost anything: not what this program does itself.
pub(super) fn costs(embedder: &dyn Embedder) -> bool {
    !matches!(embedder.provider(), "builtin" | "local")
}

/// The making of vectors that are not there yet.
struct Making<'a> {
    assistant: &'a Assistant,
    tenant: TenantId,
    embedder: &'a dyn Embedder,
    /// What they are kept under; `None`: they are not worth it.
    cache_key: Option<&'a str>,
    calls: Calls,
}

impl Making<'_> {
    /// Adds the vectors of texts to `vectors`, call by call; says why it stopped before the end.
    async fn make(
        &self,
        (mut hashes, mut texts): (&[TextHash], &[String]),
        vectors: &mut HashMap<TextHash, Vec<f32>>,
    ) -> Result<Option<Stopped>, Failure> {
        let begun = Instant::now();
        let mut most = usize::MAX;
        while !texts.is_empty() {
            if begun.elapsed() > PATIENCE {
                return Ok(Some(Stopped::OutOfTime));
            }
            if let Some(stopped) = self.look().await? {
                return Ok(Some(stopped));
            }
            let count = self.embedder.batch_len(texts).min(texts.len()).min(most);
            let made = match call(&self.calls, self.embedder, &texts[..count]).await {
                Ok(made) => made,
                // What a request may hold was estimated.
                Err(Error::ContextTooLong { .. }) if count > 1 => {
                    most = count / 2;
                    continue;
                }
                Err(error) => return Ok(Some(Stopped::Failed(Arc::new(error)))),
            };
            let made: Vec<_> = hashes.iter().copied().zip(made).collect();
            if let Some(key) = self.cache_key {
                let mut tx = self.assistant.db.tenant(self.tenant).await?;
                embedding_cache::insert_many(&mut tx, key, &made).await?;
                tx.commit().await?;
            }
            vectors.extend(made);
            (hashes, texts) = (&hashes[count..], &texts[count..]);
        }
        Ok(None)
    }

    /// Why no call may be made now, if none may.
    async fn look(&self) -> db::Result<Option<Stopped>> {
        if !costs(self.embedder) {
            return Ok(None);
        }
        let verdict = self.calls.look().await?;
        Ok(match verdict {
            Verdict::Go => None,
            Verdict::Builtin { reason } | Verdict::Stop { reason } => {
                Some(Stopped::OutOfBudget { reason })
            }
        })
    }
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
    let purpose = CallPurpose::Embedding;
    let embedded = calls.embed(purpose, embedder, texts, None).await?;
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
}

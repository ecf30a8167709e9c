//! What settings and rerankers make of one ranking.

use domain::{FusionMethod, RerankMethod, RetrievalSettings};
use rag::rerank::{Candidate, RerankError, Reranker};
use rag::retrieve::{Question, find, rank};
use store::documents;

use crate::world::World;

const RETURNS: &str = "You can return every item within thirty days of its delivery.";
const PARCELS: &str = "The parcels are delivered by bicycle and they arrive in the evening.";
const HOURS: &str = "Our shop is open every day, and the shop window is lit every evening.";

/// Likes what is short; fails where it is told to.
struct Shortest {
    fails: bool,
}

#[async_trait::async_trait]
impl Reranker for Shortest {
    async fn rerank(
        &self,
        _question: &str,
        candidates: &[Candidate<'_>],
    ) -> Result<Vec<f64>, RerankError> {
        if self.fails {
            return Err("out of reach".into());
        }
        let length = |candidate: &Candidate<'_>| u32::try_from(candidate.text.len()).unwrap();
        Ok(candidates
            .iter()
            .map(|candidate| -f64::from(length(candidate)))
            .collect())
    }
}

async fn library() -> World {
    let world = World::new().await;
    for (text, vector) in [
        (RETURNS, [1.0, 0.0, 0.2]),
        (PARCELS, [0.0, 1.0, 0.1]),
        (HOURS, [0.4, 0.4, 0.4]),
    ] {
        world.add(world.tenant, text, vector).await;
    }
    world
}

#[tokio::test]
async fn a_reranker_orders_anew_and_one_that_fails_changes_nothing() {
    let world = library().await;
    let settings = RetrievalSettings::default();
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let question = Question {
        text: "which parcels arrive every evening",
        embedding: None,
        documents: None,
    };
    let candidates = find(&mut tx, question, &settings).await.unwrap();
    let texts = |found: &rag::retrieve::Retrieval| -> Vec<String> {
        let found = found.passages.iter();
        found.map(|found| found.passage.text.clone()).collect()
    };
    let plain = rank(candidates.clone(), question.text, &settings, None).await;
    assert_eq!(texts(&plain), [PARCELS, HOURS, RETURNS]);
    assert!(
        plain
            .passages
            .iter()
            .all(|found| found.scores.rerank.is_none())
    );
    let reranker = Shortest { fails: false };
    let again = rank(
        candidates.clone(),
        question.text,
        &settings,
        Some(&reranker),
    )
    .await;
    assert_eq!(texts(&again), [RETURNS, PARCELS, HOURS]);
    assert!((again.passages[0].scores.last() + 61.0).abs() < 1e-9);
    let reranker = Shortest { fails: true };
    let failed = rank(candidates, question.text, &settings, Some(&reranker)).await;
    assert_eq!(texts(&failed), texts(&plain));
}

#[tokio::test]
async fn settings_choose_the_fusion_and_the_reranker() {
    let world = library().await;
    let vector = [0.0, 1.0, 0.0];
    let mut settings = RetrievalSettings {
        fusion: FusionMethod::Rrf,
        min_similarity: 0.0,
        ..RetrievalSettings::default()
    };
    let found = world.retrieve("parcels", Some(&vector), &settings).await;
    let best = found.passages.first().unwrap();
    assert_eq!(best.passage.text, PARCELS);
    assert!((best.scores.fused - 1.0).abs() < 1e-9, "{:?}", best.scores);
    // Found by vector alone, in the second place.
    let second = found.passages[1].scores;
    assert!(
        (second.fused - 0.5 * 61.0 / 62.0).abs() < 1e-9,
        "{second:?}"
    );
    settings.rerank = RerankMethod::Builtin;
    let found = world.retrieve("parcels", Some(&vector), &settings).await;
    assert!(found.passages[0].scores.rerank.is_some());
    assert!(found.timings.total() >= found.timings.keyword + found.timings.vector);
}

#[tokio::test]
async fn a_search_of_some_documents_finds_nothing_of_others() {
    let world = library().await;
    let parcels = world
        .add(world.tenant, "A parcel weighs two kilos.", [0.0, 1.0, 0.0])
        .await;
    let set = world.live_set().await.unwrap();
    let mut tx = world.db.tenant(world.tenant).await.unwrap();
    let question = Question {
        text: "parcels every evening",
        embedding: Some(rag::retrieve::Embedding {
            set: &set,
            vector: &[0.3, 0.3, 0.3],
        }),
        documents: Some(&[parcels]),
    };
    let settings = RetrievalSettings::default();
    let found = find(&mut tx, question, &settings).await.unwrap().ranked;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].passage.document_id, parcels);
    assert!(found[0].scores.keyword.is_some() && found[0].scores.vector.is_some());
    let nothing = Question {
        documents: Some(&[]),
        ..question
    };
    assert!(
        find(&mut tx, nothing, &settings)
            .await
            .unwrap()
            .ranked
            .is_empty()
    );
}

#[tokio::test]
async fn a_disabled_document_is_not_found_until_it_is_enabled_again() {
    let world = library().await;
    let id = world
        .add(world.tenant, "Batteries last four years.", [0.0, 0.0, 1.0])
        .await;
    let ask = async || {
        let found = world.ask("batteries", Some(&[0.0, 0.0, 1.0])).await;
        found.iter().any(|found| found.passage.document_id == id)
    };
    assert!(ask().await);
    for enabled in [false, false, true, true] {
        let mut tx = world.db.tenant(world.tenant).await.unwrap();
        let document = documents::set_enabled(&mut tx, id, enabled).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(document.enabled, enabled);
        assert_eq!(ask().await, enabled);
    }
}

#[tokio::test]
async fn neighbours_come_as_one_passage() {
    let world = World::new().await;
    let sentence =
        |at: usize| format!("Sentence number {at} tells of parcels, bicycles and doors.");
    let text: Vec<String> = (0..8).map(sentence).collect();
    let id = world
        .add(world.tenant, &text.join(" "), [1.0, 0.0, 0.0])
        .await;
    let found = world.ask("parcels and bicycles at the door", None).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let whole = &found[0];
    assert_eq!(whole.passage.document_id, id);
    assert!(whole.chunk_ids.len() > 1);
    assert_eq!(whole.passage.text, text.join(" "));
    let apart = RetrievalSettings {
        passage_tokens: 0,
        ..RetrievalSettings::default()
    };
    let found = world
        .retrieve("parcels and bicycles at the door", None, &apart)
        .await;
    assert!(found.passages.len() > 1);
}

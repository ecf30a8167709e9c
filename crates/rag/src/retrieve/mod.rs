//! Finds the passages that an answer to a question rests on.
//!
//! [`find`] asks the database; [`rank`] needs none, so that a reranker over the network holds no
//! transaction open. [`retrieve`] is both, where the reranker is none or [`Lexical`].

mod neighbours;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use db::TenantTx;
use domain::{ChunkId, DocumentId, FusionMethod, RerankMethod, RetrievalSettings};
use store::embedding_sets::EmbeddingSet;
use store::search::{self, ChunkPlace, Found, Passage, VectorQuery};

use crate::fuse::{Fused, Fusion, Hit, Ranking, fuse};
use crate::keyword::Language;
use crate::rerank::{Candidate, Lexical, Reranker};
use crate::{keyword, reach};

/// How many hits each search brings for a passage wanted, and at least: fusion, near-duplicates and
/// neighbours need choice.
const HITS_PER_PASSAGE: u32 = 10;
const MIN_HITS: u32 = 100;
/// How many fused hits are read with their text: those that may end among the passages.
const READ_PER_PASSAGE: usize = 6;
/// Reciprocal rank fusion's constant, by custom.
const RRF_K: f64 = 60.0;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its words.
    pub text: &'a str,
    /// Its vector by the live set's model; `None`: words alone decide.
    pub embedding: Option<Embedding<'a>>,
    /// Only passages of these documents; `None`: of all.
    pub documents: Option<&'a [DocumentId]>,
}

/// A question's vector.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    /// The set whose vectors it compares to.
    pub set: &'a EmbeddingSet,
    /// The vector.
    pub vector: &'a [f32],
}

/// A passage that was found, and how.
#[derive(Clone, Debug)]
pub struct Retrieved {
    /// The passage; one that neighbours were merged into has the id, page and headings of its best
    /// chunk, and the text and the range of all.
    pub passage: Passage,
    /// The chunks it is made of, in the order of the text.
    pub chunk_ids: Vec<ChunkId>,
    /// The ordinal of its last chunk.
    pub last_ordinal: i32,
    /// Its scores: those of its best chunk.
    pub scores: Scores,
}

/// How well a passage fits, step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// BM25, above 0; `None`: the keyword search did not find it.
    pub keyword: Option<f64>,
    /// Cosine similarity, from -1 to 1; `None`: the vector search did not find it.
    pub vector: Option<f64>,
    /// Both together, from 0 to 1 for the best possible.
    pub fused: f64,
    /// The reranker's; `None`: it was not asked about this one.
    pub rerank: Option<f64>,
}

impl Scores {
    /// The score that passages are ordered by.
    pub fn last(&self) -> f64 {
        self.rerank.unwrap_or(self.fused)
    }
}

/// How long each step took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Embedding the question; zero until whoever embedded it says so.
    pub embed: Duration,
    /// The keyword search.
    pub keyword: Duration,
    /// The vector search.
    pub vector: Duration,
    /// Fusing both, and reading the texts of the best.
    pub read: Duration,
    /// The reranker.
    pub rerank: Duration,
}

impl Timings {
    /// All steps together.
    pub fn total(&self) -> Duration {
        self.embed + self.keyword + self.vector + self.read + self.rerank
    }
}

/// What [`find`] found: more passages than wanted, best first.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// The passages, each of one chunk.
    pub ranked: Vec<Retrieved>,
    /// How long it took.
    pub timings: Timings,
}

/// The passages for an answer.
#[derive(Clone, Debug, Default)]
pub struct Retrieval {
    /// At most `settings.top_k`, best first.
    pub passages: Vec<Retrieved>,
    /// How long each step took.
    pub timings: Timings,
}

/// Finds and ranks as the settings say, all but a reranker that is asked over the network: without
/// one the fused order stays.
///
/// # Errors
/// Those of the database.
pub async fn retrieve(
    tx: &mut TenantTx,
    question: Question<'_>,
    settings: &RetrievalSettings,
) -> db::Result<Retrieval> {
    let candidates = find(tx, question, settings).await?;
    let reranker = builtin_reranker(settings);
    Ok(rank(candidates, question.text, settings, reranker).await)
}

/// The reranker that needs no network, where the settings want it.
pub fn builtin_reranker(settings: &RetrievalSettings) -> Option<&'static dyn Reranker> {
    (settings.rerank == RerankMethod::Builtin).then_some(&Lexical)
}

/// Searches by words and by vector and fuses both rankings. The weight of the vector ranking follows
/// how far the model reads the question's language ([`reach`]).
///
/// # Errors
/// Those of the database.
pub async fn find(
    tx: &mut TenantTx,
    question: Question<'_>,
    settings: &RetrievalSettings,
) -> db::Result<Candidates> {
    let limit = settings
        .top_k
        .saturating_mul(HITS_PER_PASSAGE)
        .max(MIN_HITS);
    search::set_limits(tx).await?;
    let mut timings = Timings::default();
    let start = Instant::now();
    let (by_keyword, languages) = search_by_keyword(tx, question, limit).await?;
    timings.keyword = start.elapsed();
    let start = Instant::now();
    let mut trust = 1.0;
    let by_vector = match question.embedding {
        Some(Embedding { set, vector }) => {
            trust = reach::trust(&set.model, question.text, &languages);
            let query = VectorQuery {
                embedding: vector,
                min_similarity: settings.min_similarity,
                documents: question.documents,
                limit: limit.into(),
            };
            hits(&search::by_vector(tx, set, &query).await?)
        }
        None => Vec::new(),
    };
    timings.vector = start.elapsed();
    let start = Instant::now();
    let fused = fuse(
        ranking(&by_keyword, limit, 0.0),
        ranking(&by_vector, limit, settings.min_similarity),
        fusion(settings, trust),
    );
    let ranked = read(tx, fused, settings).await?;
    timings.read = start.elapsed();
    Ok(Candidates { ranked, timings })
}

async fn search_by_keyword(
    tx: &mut TenantTx,
    question: Question<'_>,
    limit: u32,
) -> db::Result<(Vec<Hit>, Vec<Language>)> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = keyword::search(tx, question.text, question.documents, limit).await?;
    let places: Vec<ChunkPlace> = found
        .hits
        .iter()
        .map(|hit| (hit.place.document_id, hit.place.version, hit.place.ordinal))
        .collect();
    let chunks = search::list_chunks_at(tx, &places).await?;
    let hit = |(at, chunk_id): (usize, ChunkId)| {
        let score = found.hits.get(at)?.score;
        Some(Hit { chunk_id, score })
    };
    let hits = chunks.into_iter().filter_map(hit).collect();
    Ok((hits, found.languages))
}

/// How the rankings are fused, where the vector ranking deserves only a part of its weight; the rest
/// goes to the words, unless they were to have none.
fn fusion(settings: &RetrievalSettings, trust: f64) -> Fusion {
    let shifted = |keyword: f64, vector: f64| {
        if keyword > 0.0 {
            (keyword + vector * (1.0 - trust), vector * trust)
        } else {
            (keyword, vector)
        }
    };
    match settings.fusion {
        FusionMethod::Weighted => {
            let (keyword, vector) = shifted(settings.keyword_weight, settings.vector_weight);
            Fusion::Weighted { keyword, vector }
        }
        FusionMethod::Rrf => {
            let (keyword, vector) = shifted(1.0, 1.0);
            Fusion::ReciprocalRank {
                k: RRF_K,
                keyword,
                vector,
            }
        }
    }
}

/// The best fused hits with their texts.
async fn read(
    tx: &mut TenantTx,
    mut fused: Vec<Fused>,
    settings: &RetrievalSettings,
) -> db::Result<Vec<Retrieved>> {
    fused.truncate(wanted(settings).saturating_mul(READ_PER_PASSAGE));
    let ids: Vec<ChunkId> = fused.iter().map(|fused| fused.chunk_id).collect();
    let mut passages: HashMap<ChunkId, Passage> = search::list_passages(tx, &ids)
        .await?
        .into_iter()
        .map(|passage| (passage.chunk_id, passage))
        .collect();
    let retrieved = |fused: Fused| {
        let passage = passages.remove(&fused.chunk_id)?;
        Some(Retrieved {
            chunk_ids: vec![passage.chunk_id],
            last_ordinal: passage.ordinal,
            passage,
            scores: Scores {
                keyword: fused.keyword_score,
                vector: fused.vector_score,
                fused: fused.score,
                rerank: None,
            },
        })
    };
    Ok(fused.into_iter().filter_map(retrieved).collect())
}

/// Ranks candidates again if there is a reranker, leaves out near-duplicates of better ones, merges
/// neighbours, and keeps the best `settings.top_k`. Where the reranker fails the order stays as it
/// was.
pub async fn rank(
    candidates: Candidates,
    question: &str,
    settings: &RetrievalSettings,
    reranker: Option<&dyn Reranker>,
) -> Retrieval {
    let Candidates {
        mut ranked,
        mut timings,
    } = candidates;
    let start = Instant::now();
    if let Some(reranker) = reranker {
        rerank(&mut ranked, question, reranker).await;
    }
    timings.rerank = start.elapsed();
    let most_tokens = i32::try_from(settings.passage_tokens).unwrap_or(i32::MAX);
    Retrieval {
        passages: neighbours::pick(ranked, wanted(settings), most_tokens),
        timings,
    }
}

async fn rerank(ranked: &mut [Retrieved], question: &str, reranker: &dyn Reranker) {
    let candidates: Vec<Candidate<'_>> = ranked
        .iter()
        .map(|found| Candidate {
            heading: found.passage.heading.as_deref(),
            text: &found.passage.text,
            fused: found.scores.fused,
        })
        .collect();
    match reranker.rerank(question, &candidates).await {
        Ok(scores) => {
            for (found, score) in ranked.iter_mut().zip(scores) {
                found.scores.rerank = score.is_finite().then_some(score);
            }
            // What was scored goes first; equal scores keep their order.
            let key = |found: &Retrieved| found.scores.rerank.unwrap_or(f64::NEG_INFINITY);
            ranked.sort_by(|one, other| key(other).total_cmp(&key(one)));
        }
        Err(error) => {
            tracing::warn!(error = %error, "passages could not be ranked again");
        }
    }
}

/// A search's hits, of which it tells `limit` at most, each with at least the score `least`.
fn ranking(hits: &[Hit], limit: u32, least: f64) -> Ranking<'_> {
    let last = hits.iter().map(|hit| hit.score).min_by(f64::total_cmp);
    let is_full = u32::try_from(hits.len()).is_ok_and(|count| count >= limit);
    let rest = last.filter(|_| is_full).unwrap_or(least);
    Ranking { hits, rest }
}

fn wanted(settings: &RetrievalSettings) -> usize {
    usize::try_from(settings.top_k).unwrap_or(usize::MAX)
}

fn hits(found: &[Found]) -> Vec<Hit> {
    found
        .iter()
        .map(|found| Hit {
            chunk_id: found.chunk_id,
            score: found.score,
        })
        .collect()
}

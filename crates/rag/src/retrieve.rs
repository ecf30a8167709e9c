//! Finds the passages that an answer to a question rests on.

use std::collections::HashMap;

use db::TenantTx;
use domain::{ChunkId, DocumentId, FusionMethod, RetrievalSettings};
use store::search::{self, Found, Passage};

use crate::fuse::{Fused, Fusion, Hit, fuse, top_distinct};
use crate::terms;

/// How many hits each search brings for a passage wanted: fusion and near-duplicates need choice.
const CANDIDATES_PER_PASSAGE: u32 = 10;

/// How little the first ranks stand out in reciprocal rank fusion.
/// Source: Cormack, Clarke, Büttcher, SIGIR 2009.
const RRF_K: f64 = 60.0;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its words.
    pub text: &'a str,
    /// Its embedding; `None`: words alone decide.
    pub embedding: Option<Embedding<'a>>,
    /// Only passages of these documents; `None`: of all.
    pub documents: Option<&'a [DocumentId]>,
}

/// A question's embedding.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    /// Who made it, as the chunks' embeddings are marked.
    pub model: &'a str,
    /// The vector.
    pub vector: &'a [f32],
}

/// A passage that was found, and how.
#[derive(Clone, Debug)]
pub struct Retrieved {
    /// The passage.
    pub passage: Passage,
    /// Its scores.
    pub scores: Fused,
}

/// Finds the best passages by words and by vector, fuses both rankings, and leaves out
/// near-duplicates: at most `settings.top_k`, best first.
///
/// # Errors
/// Those of the database.
pub async fn retrieve(
    tx: &mut TenantTx,
    question: Question<'_>,
    settings: &RetrievalSettings,
) -> db::Result<Vec<Retrieved>> {
    let limit = i64::from(settings.top_k.saturating_mul(CANDIDATES_PER_PASSAGE));
    let bigrams = terms::bigrams(question.text);
    let by_keyword =
        search::by_keyword(tx, question.text, &bigrams, question.documents, limit).await?;
    let by_vector = match question.embedding {
        Some(Embedding { model, vector }) => {
            let least = settings.min_similarity;
            let vector = vector.to_vec();
            search::by_vector(tx, model, vector, least, question.documents, limit).await?
        }
        None => Vec::new(),
    };
    let fusion = match settings.fusion {
        FusionMethod::Weighted => Fusion::Weighted {
            keyword: settings.keyword_weight,
            vector: settings.vector_weight,
        },
        FusionMethod::Rrf => Fusion::ReciprocalRank { k: RRF_K },
    };
    let fused = fuse(&hits(&by_keyword), &hits(&by_vector), fusion);
    let ids: Vec<ChunkId> = fused.iter().map(|fused| fused.chunk_id).collect();
    let passages = search::list_passages(tx, &ids).await?;
    let mut passages: HashMap<ChunkId, Passage> = passages
        .into_iter()
        .map(|passage| (passage.chunk_id, passage))
        .collect();
    let ranked: Vec<Retrieved> = fused
        .into_iter()
        .filter_map(|scores| {
            let passage = passages.remove(&scores.chunk_id)?;
            Some(Retrieved { passage, scores })
        })
        .collect();
    let wanted = usize::try_from(settings.top_k).unwrap_or(usize::MAX);
    Ok(top_distinct(ranked, wanted, |found| &found.passage.text))
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

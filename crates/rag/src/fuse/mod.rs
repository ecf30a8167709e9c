//! Makes one ranking of what the keyword search and the vector search found.

mod duplicates;

use std::cmp::Ordering;
use std::collections::HashMap;

use domain::ChunkId;

pub use duplicates::top_distinct;

/// A chunk that one search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// How well it fits by the measure of that search; more is better.
    pub score: f64,
}

/// How two rankings become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fusion {
    /// The weighted mean of both scores, each brought to 0 to 1 by the best and the worst hit of
    /// its search. Not sensitive to how that is done, and better than ranks alone.
    /// Source: <https://arxiv.org/abs/2210.11934>, 2023-05.
    Weighted {
        /// Weight of the keyword score; only its share in the sum counts.
        keyword: f64,
        /// Weight of the vector score.
        vector: f64,
    },
    /// The sum of `1 / (k + rank)`, whatever the scores are.
    ReciprocalRank {
        /// How little the first ranks stand out; 60 by custom.
        k: f64,
    },
}

impl Default for Fusion {
    fn default() -> Self {
        Self::Weighted {
            keyword: 0.3,
            vector: 0.7,
        }
    }
}

/// A chunk in the common ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// How well it fits, from 0 to 1 for the best possible.
    pub score: f64,
    /// What the keyword search gave it; `None` if it did not find it.
    pub keyword_score: Option<f64>,
    /// What the vector search gave it; `None` if it did not find it.
    pub vector_score: Option<f64>,
}

/// Fuses both rankings, best first. A chunk that a search did not find gets that search's lowest
/// score. If a search found nothing at all, the other one decides alone. Scores that are no
/// finite numbers are left out. Equal scores keep the order of the ids, so that the same hits
/// always give the same ranking.
pub fn fuse(keyword: &[Hit], vector: &[Hit], fusion: Fusion) -> Vec<Fused> {
    let legs = [Leg::of(keyword, fusion), Leg::of(vector, fusion)];
    let weights = weights(&legs, fusion);
    let mut ids: Vec<ChunkId> = legs
        .iter()
        .flat_map(|leg| leg.hits.keys().copied())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut fused: Vec<Fused> = ids
        .into_iter()
        .map(|chunk_id| {
            let found = legs.each_ref().map(|leg| leg.hits.get(&chunk_id).copied());
            let part = |at: usize| found[at].map_or(0.0, |hit| hit.share) * weights[at];
            Fused {
                chunk_id,
                score: part(0) + part(1),
                keyword_score: found[0].map(|hit| hit.score),
                vector_score: found[1].map(|hit| hit.score),
            }
        })
        .collect();
    // Stable: ids are in order already.
    fused.sort_by(|one, other| other.score.total_cmp(&one.score));
    fused
}

/// What one search found, each hit with its share in the best: 0 to 1.
struct Leg {
    hits: HashMap<ChunkId, Share>,
}

#[derive(Clone, Copy)]
struct Share {
    score: f64,
    share: f64,
}

impl Leg {
    fn of(hits: &[Hit], fusion: Fusion) -> Self {
        let mut ranked: Vec<Hit> = hits
            .iter()
            .copied()
            .filter(|hit| hit.score.is_finite())
            .collect();
        ranked.sort_by(by_score);
        let best = ranked.first().map_or(0.0, |hit| hit.score);
        let worst = ranked.last().map_or(0.0, |hit| hit.score);
        let mut found = HashMap::with_capacity(ranked.len());
        let mut rank = 0.0;
        for hit in ranked {
            let share = match fusion {
                // One hit, or all alike: being found is all there is to tell.
                Fusion::Weighted { .. } if (best - worst).abs() < f64::EPSILON => 1.0,
                Fusion::Weighted { .. } => (hit.score - worst) / (best - worst),
                Fusion::ReciprocalRank { k } => (k + 1.0) / (k + 1.0 + rank),
            };
            // A chunk that stands twice counts by its better place.
            found.entry(hit.chunk_id).or_insert_with(|| {
                rank += 1.0;
                Share {
                    score: hit.score,
                    share,
                }
            });
        }
        Self { hits: found }
    }
}

fn by_score(one: &Hit, other: &Hit) -> Ordering {
    let by_id = one.chunk_id.cmp(&other.chunk_id);
    other.score.total_cmp(&one.score).then(by_id)
}

/// The weights of both legs, which add up to 1; a leg without hits has none.
fn weights(legs: &[Leg; 2], fusion: Fusion) -> [f64; 2] {
    let wanted = match fusion {
        Fusion::Weighted { keyword, vector } => [keyword, vector],
        Fusion::ReciprocalRank { .. } => [0.5, 0.5],
    };
    let usable = |weight: f64| {
        if weight.is_finite() {
            weight.max(0.0)
        } else {
            0.0
        }
    };
    let present = legs
        .each_ref()
        .map(|leg| f64::from(u8::from(!leg.hits.is_empty())));
    let weighted = [
        usable(wanted[0]) * present[0],
        usable(wanted[1]) * present[1],
    ];
    // No weight for the only leg that found something: better its ranking than none.
    let weighted = if weighted[0] + weighted[1] > 0.0 {
        weighted
    } else {
        present
    };
    let sum = weighted[0] + weighted[1];
    if sum > 0.0 {
        weighted.map(|weight| weight / sum)
    } else {
        [0.0, 0.0]
    }
}

#[cfg(test)]
mod tests;

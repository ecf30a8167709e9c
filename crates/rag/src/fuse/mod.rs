//! Makes one ranking of what the keyword search and the vector search found.

mod duplicates;

use std::cmp::Ordering;
use std::collections::HashMap;

use domain::ChunkId;

pub use duplicates::Distinct;

/// A chunk that one search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// How well it fits by the measure of that search; more is better.
    pub score: f64,
}

/// What one search found.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'a> {
    /// The chunks it found, in any order.
    pub hits: &'a [Hit],
    /// The most that a chunk which is not among them can have: the score of the last hit, if there
    /// may be more, or what the search demands of a hit.
    pub rest: f64,
}

/// How two rankings become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fusion {
    /// The weighted mean of both scores, each as a share of the best of its search. 0 is the same
    /// for every question that way: no common term, or a right angle. Better on Cranfield than
    /// between the best and the worst hit (nDCG@10 0.433 to 0.425), and than ranks alone.
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
        /// Weight of the keyword ranking; only its share in the sum counts.
        keyword: f64,
        /// Weight of the vector ranking.
        vector: f64,
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

/// Fuses both rankings, best first. A chunk that a search did not find gets [`Ranking::rest`] there.
/// If a search found nothing at all, the other one decides alone. Scores that are no finite numbers
/// are left out. Equal scores keep the order of the ids, so that the same hits always give the same
/// ranking.
pub fn fuse(keyword: Ranking<'_>, vector: Ranking<'_>, fusion: Fusion) -> Vec<Fused> {
    let legs = [keyword, vector].map(|ranking| Leg::of(ranking, fusion));
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
            let part =
                |at: usize| found[at].map_or(legs[at].missing, |hit| hit.share) * weights[at];
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
    /// The share of a chunk that is not among them.
    missing: f64,
}

#[derive(Clone, Copy)]
struct Share {
    score: f64,
    share: f64,
}

impl Leg {
    fn of(ranking: Ranking<'_>, fusion: Fusion) -> Self {
        let mut ranked: Vec<Hit> = ranking
            .hits
            .iter()
            .copied()
            .filter(|hit| hit.score.is_finite())
            .collect();
        ranked.sort_by(by_score);
        let best = ranked.first().map_or(0.0, |hit| hit.score);
        let worst = ranked.last().map_or(0.0, |hit| hit.score);
        let floor = worst.min(0.0);
        let mut found = HashMap::with_capacity(ranked.len());
        let mut rank = 0.0;
        for hit in ranked {
            let share = match fusion {
                // All at the floor: being found is all there is to tell.
                Fusion::Weighted { .. } if best <= floor => 1.0,
                Fusion::Weighted { .. } => (hit.score - floor) / (best - floor),
                Fusion::ReciprocalRank { k, .. } => (k + 1.0) / (k + 1.0 + rank),
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
        let missing = match fusion {
            Fusion::Weighted { .. } if ranking.rest > floor && best > floor => {
                (ranking.rest.min(worst) - floor) / (best - floor)
            }
            // Ranks tell nothing of what has none.
            Fusion::Weighted { .. } | Fusion::ReciprocalRank { .. } => 0.0,
        };
        Self {
            hits: found,
            missing,
        }
    }
}

fn by_score(one: &Hit, other: &Hit) -> Ordering {
    let by_id = one.chunk_id.cmp(&other.chunk_id);
    other.score.total_cmp(&one.score).then(by_id)
}

/// The weights of both legs, which add up to 1; a leg without hits has none.
fn weights(legs: &[Leg; 2], fusion: Fusion) -> [f64; 2] {
    let wanted = match fusion {
        Fusion::Weighted { keyword, vector }
        | Fusion::ReciprocalRank {
            keyword, vector, ..
        } => [keyword, vector],
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

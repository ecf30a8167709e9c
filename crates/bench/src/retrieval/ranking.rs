//! How good a ranking is.

use std::collections::{HashMap, HashSet};

/// How deep rankings are looked at.
pub(super) const DEPTH: usize = 10;

/// The gain of what stands at the top, discounted by its place, as a part of the best possible:
/// nDCG@10. `grades` are those of the question; what has none is worth nothing.
pub(super) fn ndcg(ranked: &[String], grades: &HashMap<String, u32>) -> f64 {
    let discounted = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
        let places = grades.take(DEPTH).zip(2_u32..);
        places
            .map(|(grade, place)| f64::from(grade) / f64::from(place).log2())
            .sum()
    };
    let mut best: Vec<u32> = grades.values().copied().collect();
    best.sort_unstable_by(|one, other| other.cmp(one));
    let ideal = discounted(&mut best.into_iter());
    if ideal == 0.0 {
        return 0.0;
    }
    let found = ranked.iter().map(|id| grades.get(id).copied().unwrap_or(0));
    discounted(&mut { found }) / ideal
}

/// The part of `exact` that `found` has.
pub(super) fn recall<T: Eq + std::hash::Hash>(found: &[T], exact: &[T]) -> f64 {
    let found: HashSet<&T> = found.iter().collect();
    let hits = exact.iter().filter(|it| found.contains(it)).count();
    as_f64(hits) / as_f64(exact.len().max(1))
}

/// The mean; zero of none.
pub(super) fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / as_f64(figures.len().max(1))
}

/// A count as a figure; more than 2^32 have no business here.
pub(super) fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The same with fewer digits, for small counts.
pub(super) fn as_f32(count: usize) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_ranking_is_measured_against_the_best_one() {
        let grades = HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]);
        assert!((ndcg(&ids(&["a", "b", "x"]), &grades) - 1.0).abs() < 1e-12);
        assert!(ndcg(&ids(&["x", "y"]), &grades).abs() < 1e-12);
        // Places two and three of two that could stand first and second.
        let expected = (1.0 / 3_f64.log2() + 1.0 / 2.0) / (1.0 + 1.0 / 3_f64.log2());
        assert!((ndcg(&ids(&["x", "b", "a"]), &grades) - expected).abs() < 1e-12);
        let mut deep = vec!["x"; DEPTH];
        deep.push("a");
        assert!(ndcg(&ids(&deep), &grades).abs() < 1e-12);
    }

    #[test]
    fn recall_is_a_part_of_what_is_right() {
        assert!((recall(&[1, 2, 9], &[1, 2, 3, 4]) - 0.5).abs() < 1e-12);
        assert!((recall::<u8>(&[], &[1])).abs() < 1e-12);
    }
}

use domain::ChunkId;

use super::*;

fn ids<const N: usize>() -> [ChunkId; N] {
    let mut ids = std::array::from_fn(|_| ChunkId::new());
    ids.sort_unstable();
    ids
}

fn hit(chunk_id: ChunkId, score: f64) -> Hit {
    Hit { chunk_id, score }
}

fn ranking(fused: &[Fused]) -> Vec<ChunkId> {
    fused.iter().map(|fused| fused.chunk_id).collect()
}

fn by_rank() -> Fusion {
    Fusion::ReciprocalRank {
        k: 60.0,
        keyword: 1.0,
        vector: 1.0,
    }
}

/// Both rankings, with no more to be found.
fn fuse_all(keyword: &[Hit], vector: &[Hit], fusion: Fusion) -> Vec<Fused> {
    let [keyword, vector] = [keyword, vector].map(|hits| Ranking { hits, rest: 0.0 });
    fuse(keyword, vector, fusion)
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn weights_share_out_what_each_hit_is_beside_the_best() {
    let [a, b, c] = ids();
    let keyword = [hit(a, 12.0), hit(b, 6.0), hit(c, 3.0)];
    let vector = [hit(b, 0.8), hit(a, 0.4)];
    let fused = fuse_all(&keyword, &vector, Fusion::default());
    assert_eq!(ranking(&fused), [b, a, c]);
    assert!(close(fused[0].score, 0.3 * 0.5 + 0.7));
    assert!(close(fused[1].score, 0.3 + 0.7 * 0.5));
    assert!(close(fused[2].score, 0.3 * 0.25));
    assert_eq!(fused[0].keyword_score, Some(6.0));
    assert_eq!(fused[2].vector_score, None);
}

#[test]
fn a_chunk_missing_from_a_search_counts_as_the_most_it_can_have_there() {
    let [a, b, c] = ids();
    let keyword = [hit(a, 8.0), hit(b, 4.0)];
    let vector = [hit(c, 0.8), hit(b, 0.4)];
    let even = Fusion::Weighted {
        keyword: 1.0,
        vector: 1.0,
    };
    let score = |rest: [f64; 2]| {
        let [keyword, vector] =
            [(&keyword, rest[0]), (&vector, rest[1])].map(|(hits, rest)| Ranking { hits, rest });
        let fused = fuse(keyword, vector, even);
        [a, b, c].map(|id| {
            fused
                .iter()
                .find(|fused| fused.chunk_id == id)
                .unwrap()
                .score
        })
    };
    for (rest, expected) in [
        // Nothing more was found.
        ([0.0, 0.0], [0.5, 0.5, 0.5]),
        // There may be more.
        ([4.0, 0.4], [0.75, 0.5, 0.75]),
        // Less similar ones do not count as found.
        ([0.0, 0.2], [0.625, 0.5, 0.5]),
        // It cannot have more than the last hit.
        ([9.0, 0.9], [0.75, 0.5, 0.75]),
    ] {
        let found = score(rest);
        let same = found
            .iter()
            .zip(expected)
            .all(|(one, other)| close(*one, other));
        assert!(same, "{rest:?}: {found:?}");
    }
}

#[test]
fn scores_below_zero_are_shared_out_from_the_worst() {
    let [a, b] = ids();
    let fused = fuse_all(&[], &[hit(a, -0.1), hit(b, -0.3)], Fusion::default());
    assert_eq!(ranking(&fused), [a, b]);
    assert!(close(fused[0].score, 1.0) && close(fused[1].score, 0.0));
}

#[test]
fn one_search_without_hits_leaves_the_other_its_full_range() {
    let [a, b] = ids();
    let hits = [hit(b, 0.9), hit(a, 0.3)];
    for fusion in [Fusion::default(), by_rank()] {
        for fused in [fuse_all(&hits, &[], fusion), fuse_all(&[], &hits, fusion)] {
            assert_eq!(ranking(&fused), [b, a]);
            assert!(close(fused[0].score, 1.0));
        }
    }
    assert!(fuse_all(&[], &[], Fusion::default()).is_empty());
}

#[test]
fn a_single_hit_is_the_best_one() {
    let [a, b] = ids();
    let fused = fuse_all(&[hit(a, 0.01)], &[hit(b, 0.2)], Fusion::default());
    assert_eq!(ranking(&fused), [b, a]);
    assert!(close(fused[0].score, 0.7) && close(fused[1].score, 0.3));
    assert!(close(
        fuse_all(&[hit(a, 0.0)], &[], Fusion::default())[0].score,
        1.0
    ));
}

#[test]
fn equal_scores_all_count_in_full_and_keep_the_order_of_ids() {
    let [a, b, c] = ids();
    let fused = fuse_all(
        &[hit(c, 4.0), hit(a, 4.0), hit(b, 4.0)],
        &[],
        Fusion::default(),
    );
    assert_eq!(ranking(&fused), [a, b, c]);
    assert!(fused.iter().all(|fused| close(fused.score, 1.0)));
}

#[test]
fn scores_that_are_no_numbers_and_weights_that_are_none_do_no_harm() {
    let [a, b] = ids();
    let fused = fuse_all(
        &[hit(a, f64::NAN), hit(b, 1.0), hit(b, 0.5)],
        &[],
        Fusion::Weighted {
            keyword: 0.0,
            vector: f64::NAN,
        },
    );
    assert_eq!(ranking(&fused), [b]);
    assert!(close(fused[0].score, 1.0));
}

#[test]
fn ranks_alone_decide_in_reciprocal_rank_fusion() {
    let [a, b, c] = ids();
    let keyword = [hit(a, 1000.0), hit(b, 1.0), hit(c, 0.5)];
    let vector = [hit(b, 0.31), hit(c, 0.30)];
    let fused = fuse_all(&keyword, &vector, by_rank());
    assert_eq!(ranking(&fused), [b, c, a]);
    assert!(close(fused[0].score, 0.5 * (61.0 / 62.0 + 1.0)));
}

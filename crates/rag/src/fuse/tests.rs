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

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn weights_share_out_the_normalised_scores() {
    let [a, b, c] = ids();
    let keyword = [hit(a, 12.0), hit(b, 7.0), hit(c, 2.0)];
    let vector = [hit(b, 0.9), hit(a, 0.5)];
    let fused = fuse(&keyword, &vector, Fusion::default());
    assert_eq!(ranking(&fused), [b, a, c]);
    assert!(close(fused[0].score, 0.3 * 0.5 + 0.7));
    assert!(close(fused[1].score, 0.3));
    assert!(close(fused[2].score, 0.0));
    assert_eq!(fused[0].keyword_score, Some(7.0));
    assert_eq!(fused[2].vector_score, None);
}

#[test]
fn a_chunk_missing_from_a_search_counts_as_its_worst_hit() {
    let [a, b, c] = ids();
    let keyword = [hit(a, 9.0), hit(b, 3.0)];
    let vector = [hit(c, 0.8), hit(b, 0.4)];
    let fused = fuse(
        &keyword,
        &vector,
        Fusion::Weighted {
            keyword: 1.0,
            vector: 1.0,
        },
    );
    assert!(close(fused[0].score, 0.5) && close(fused[1].score, 0.5));
    assert_eq!(ranking(&fused), [a, c, b]);
}

#[test]
fn one_search_without_hits_leaves_the_other_its_full_range() {
    let [a, b] = ids();
    let hits = [hit(b, 0.9), hit(a, 0.3)];
    for fusion in [Fusion::default(), Fusion::ReciprocalRank { k: 60.0 }] {
        for fused in [fuse(&hits, &[], fusion), fuse(&[], &hits, fusion)] {
            assert_eq!(ranking(&fused), [b, a]);
            assert!(close(fused[0].score, 1.0));
        }
    }
    assert!(fuse(&[], &[], Fusion::default()).is_empty());
}

#[test]
fn a_single_hit_is_the_best_one() {
    let [a, b] = ids();
    let fused = fuse(&[hit(a, 0.01)], &[hit(b, 0.2)], Fusion::default());
    assert_eq!(ranking(&fused), [b, a]);
    assert!(close(fused[0].score, 0.7) && close(fused[1].score, 0.3));
    assert!(close(
        fuse(&[hit(a, 0.0)], &[], Fusion::default())[0].score,
        1.0
    ));
}

#[test]
fn equal_scores_all_count_in_full_and_keep_the_order_of_ids() {
    let [a, b, c] = ids();
    let fused = fuse(
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
    let fused = fuse(
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
    let fused = fuse(&keyword, &vector, Fusion::ReciprocalRank { k: 60.0 });
    assert_eq!(ranking(&fused), [b, c, a]);
    assert!(close(fused[0].score, 0.5 * (61.0 / 62.0 + 1.0)));
}

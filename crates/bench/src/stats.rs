use std::time::Duration;

/// The middle of some figures, the lower one of two; zero of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

/// The least and the most of some figures; zeros of none.
pub(crate) fn spread(figures: &[f64]) -> [f64; 2] {
    let least = figures.iter().copied().reduce(f64::min);
    let most = figures.iter().copied().reduce(f64::max);
    [least.unwrap_or_default(), most.unwrap_or_default()]
}

/// What each figure is of the one of the same round on the other side.
pub(crate) fn ratios(figures: &[f64], beside: &[f64]) -> Vec<f64> {
    let rounds = figures.iter().zip(beside);
    rounds.map(|(figure, beside)| figure / beside).collect()
}

/// The least time that `percent` of all times do not exceed, in milliseconds; zero of none.
pub(crate) fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// How many a second; a count above 2^32 has no business here.
pub(crate) fn per_second(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_figure_that_was_measured() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0]) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn ratios_are_of_rounds_that_both_sides_ran() {
        let of_rounds = ratios(&[3.0, 4.0, 9.0], &[2.0, 1.0]);
        let [least, most] = spread(&of_rounds);
        assert!((least - 1.5).abs() < 1e-9 && (most - 4.0).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert!((percentile_ms(&times, 50) - 100.0).abs() < 1e-9);
        assert!((percentile_ms(&times, 99) - 198.0).abs() < 1e-9);
        assert!((percentile_ms(&times[..1], 99) - 200.0).abs() < 1e-9);
    }
}

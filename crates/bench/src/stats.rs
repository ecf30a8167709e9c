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
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert!((percentile_ms(&times, 50) - 100.0).abs() < 1e-9);
        assert!((percentile_ms(&times, 99) - 198.0).abs() < 1e-9);
        assert!((percentile_ms(&times[..1], 99) - 200.0).abs() < 1e-9);
    }
}

use super::{Index, Property, Verdict};
use crate::history::{Limit, Run, Time};

/// How far apart the readings of the clock that one token is judged by may lie: a bucket is read at
/// the beginning of the statement that locks it.
const READING: f64 = 0.05;

/// Limits hold in every moment and every window.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for limit in &index.history.limits {
        let runs: Vec<&Run> = index
            .history
            .runs
            .iter()
            .filter(|run| {
                let job = index.enqueued.get(&run.claim.job);
                job.is_some_and(|job| job.is_limited_by(&limit.key))
            })
            .collect();
        if let Some(most) = limit.concurrency {
            concurrency(index, limit, most, &runs, verdict);
        }
        if let Some((rate, burst)) = limit.rate {
            rated(limit, rate, burst, &runs, verdict);
        }
    }
}

/// A run counts from when its handler began until it ended or lost its lease: that lies within the
/// time for which the engine counts it, whatever the clock readings.
fn concurrency(index: &Index<'_>, limit: &Limit, most: i32, runs: &[&Run], verdict: &mut Verdict) {
    let mut steps: Vec<(Time, i32)> = Vec::new();
    for run in runs {
        let ended = run.ended.as_ref().map(|(at, _)| *at);
        let closed = index.closing(&run.claim).map(|closing| closing.at);
        let until = ended.into_iter().chain(closed).min();
        if let Some(until) = until.filter(|until| *until > run.begun_at) {
            steps.push((run.begun_at, 1));
            steps.push((until, -1));
        }
    }
    // At one moment, ends go first.
    steps.sort_unstable();
    let (mut running, mut peak, mut peak_at) = (0, 0, None);
    for (at, step) in steps {
        running += step;
        if running > peak {
            (peak, peak_at) = (running, Some(at));
        }
    }
    verdict.count(
        format!("peak of {} (limit {most})", limit.key),
        usize::try_from(peak).unwrap_or(0),
    );
    if peak > most {
        let text = format!(
            "{}: {peak} ran at a time at {peak_at:?}, {most} may",
            limit.key
        );
        verdict.find(Property::Concurrency, text);
    }
}

/// In every window there are at most as many claims as the burst and the window's length allow.
///
/// A token is taken at some moment between the beginning of the claim's transaction and the
/// beginning of the run. A claim counts for a window that holds both.
fn rated(limit: &Limit, rate: f64, burst: i32, runs: &[&Run], verdict: &mut Verdict) {
    let mut claims: Vec<(Time, Time)> = runs
        .iter()
        .map(|run| (run.claim.at, run.begun_at))
        .collect();
    claims.sort_unstable();
    verdict.count(
        format!("claims under {} ({rate}/s, burst {burst})", limit.key),
        claims.len(),
    );
    let mut worst: Option<(f64, Time, Time, usize)> = None;
    for (nth, (from, _)) in claims.iter().enumerate() {
        let mut ends: Vec<Time> = claims[nth..].iter().map(|(_, until)| *until).collect();
        ends.sort_unstable();
        for (before, until) in ends.iter().enumerate() {
            let count = before + 1;
            let seconds = (*until - *from).as_seconds_f64() + READING;
            let excess = to_f64(count) - f64::from(burst) - rate * seconds;
            if excess > 1e-6 && worst.is_none_or(|(most, ..)| excess > most) {
                worst = Some((excess, *from, *until, count));
            }
        }
    }
    if let Some((excess, from, until, count)) = worst {
        let text = format!(
            "{}: {count} claims from {from} to {until}, {excess:.2} more than allowed",
            limit.key
        );
        verdict.find(Property::Rate, text);
    }
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

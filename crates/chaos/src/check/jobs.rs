use std::collections::HashSet;

use super::{Index, Property, Verdict};
use crate::history::Place;

/// Every committed job ends once; nothing else exists.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    let history = index.history;
    let recorded: HashSet<i64> = history.enqueued.iter().map(|job| job.n).collect();
    for n in history
        .acknowledged
        .iter()
        .filter(|n| !recorded.contains(n))
    {
        let text = format!("job n {n} was committed and is not in the record");
        verdict.find(Property::Lost, text);
    }
    let mut ours: HashSet<i64> = history.poison.iter().map(|poison| poison.job).collect();
    for job in &history.enqueued {
        if !ours.insert(job.job) {
            let text = format!(
                "job {} was enqueued as two, the second n {}",
                job.job, job.n
            );
            verdict.find(Property::Lost, text);
        }
        match index.ends.get(&job.job).map(Vec::as_slice) {
            None | Some([]) => {
                let text = format!("job {} ({}, n {}) is nowhere", job.job, job.kind, job.n);
                verdict.find(Property::Lost, text);
            }
            Some([only]) => {
                if let Place::Waiting(state) = only.place {
                    let text = format!(
                        "job {} ({}, n {}) still waits in state {state}, attempt {}",
                        job.job, job.kind, job.n, only.attempt
                    );
                    verdict.find(Property::Lost, text);
                }
            }
            Some(many) => {
                let places: Vec<_> = many.iter().map(|end| end.place).collect();
                let text = format!(
                    "job {} ({}) ended more than once: {places:?}",
                    job.job, job.kind
                );
                verdict.find(Property::Lost, text);
            }
        }
    }
    for end in history.ends.iter().filter(|end| !ours.contains(&end.job)) {
        let text = format!("job {} ({}) was never enqueued", end.job, end.kind);
        verdict.find(Property::Lost, text);
    }
    leftovers(index, verdict);
}

fn leftovers(index: &Index<'_>, verdict: &mut Verdict) {
    for limit in index
        .history
        .limits
        .iter()
        .filter(|limit| limit.running != 0)
    {
        let text = format!(
            "limit {} counts {} runs when all is quiet",
            limit.key, limit.running
        );
        verdict.find(Property::Leftovers, text);
    }
    for key in index.history.keys.iter().filter(|key| key.heads != 1) {
        let text = format!("key {} has {} heads", key.key, key.heads);
        verdict.find(Property::Leftovers, text);
    }
}

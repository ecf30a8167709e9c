use std::collections::BTreeMap;

use super::{Index, Property, Verdict};
use crate::history::{Enqueued, Place, Time};

/// Jobs of one key begin after the one before them is gone, and have their effects in their order.
///
/// The number of a job is given out under its key's lock, so that numbers tell the order.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    let mut keys: BTreeMap<(&str, &str), Vec<&Enqueued>> = BTreeMap::new();
    for job in &index.history.enqueued {
        if let Some(key) = &job.key {
            keys.entry((&job.kind, key)).or_default().push(job);
        }
    }
    for ((_, key), mut jobs) in keys {
        jobs.sort_by_key(|job| job.job);
        one_key(index, key, &jobs, verdict);
    }
}

fn one_key(index: &Index<'_>, key: &str, jobs: &[&Enqueued], verdict: &mut Verdict) {
    // The latest end of any job so far, and the latest effect.
    let mut gone: Option<(i64, Time)> = None;
    let mut done: Option<(i64, Time)> = None;
    let mut waits: Option<i64> = None;
    for job in jobs {
        for run in index.runs(job.job) {
            if let Some(before) = waits {
                let text = format!("{key}: job {} ran while job {before} waits", job.job);
                verdict.find(Property::Ordering, text);
            }
            // An end is the beginning of the transaction that let the next one go.
            if let Some((before, at)) = gone.filter(|(_, at)| *at > run.begun_at) {
                let text = format!(
                    "{key}: job {} began at {}, before job {before} was gone at {at}",
                    job.job, run.begun_at
                );
                verdict.find(Property::Ordering, text);
            }
        }
        for effect in index.effects.get(&job.job).into_iter().flatten() {
            if let Some((before, at)) = done.filter(|(_, at)| *at > effect.at) {
                let text = format!(
                    "{key}: job {} had its effect at {}, before job {before} had it at {at}",
                    job.job, effect.at
                );
                verdict.find(Property::Ordering, text);
            }
            done = done.max(Some((job.job, effect.at)));
        }
        match index.end(job.job) {
            Some(end) if matches!(end.place, Place::Waiting(_)) => waits = waits.or(Some(job.job)),
            Some(end) if gone.is_none_or(|(_, at)| at < end.at) => gone = Some((job.job, end.at)),
            _ => {}
        }
    }
}

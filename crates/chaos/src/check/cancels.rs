use std::collections::HashSet;

use super::{Index, Property, Verdict};
use crate::history::Place;

/// What a job's row says while it runs.
const RUNNING: i16 = 3;

/// What was cancelled while it waited never begins; what nobody cancelled is not cancelled.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    let wished: HashSet<i64> = index
        .history
        .cancels
        .iter()
        .map(|cancel| cancel.job)
        .collect();
    for end in index
        .history
        .ends
        .iter()
        .filter(|end| end.place == Place::Cancelled)
    {
        if !wished.contains(&end.job) {
            let text = format!(
                "job {} was cancelled, and nobody wanted that: {:?}",
                end.job, end.reason
            );
            verdict.find(Property::Cancels, text);
        }
    }
    for cancel in &index.history.cancels {
        let (Some(committed_at), Some(state)) = (cancel.committed_at, cancel.state) else {
            continue;
        };
        verdict.count(
            if state == RUNNING {
                "cancelled while running"
            } else {
                "cancelled while waiting"
            },
            1,
        );
        // A claim whose transaction began after the commit has seen it.
        for run in index
            .runs(cancel.job)
            .iter()
            .filter(|run| run.claim.at > committed_at)
        {
            let text = format!(
                "job {} was cancelled by {committed_at}, claimed at {} and begun all the same",
                cancel.job, run.claim.at
            );
            verdict.find(Property::Cancels, text);
        }
        let place = index.end(cancel.job).map(|end| end.place);
        if state != RUNNING && place.is_some_and(|place| place != Place::Cancelled) {
            let text = format!(
                "job {} was cancelled while it waited, and is {place:?}",
                cancel.job
            );
            verdict.find(Property::Cancels, text);
        }
    }
}

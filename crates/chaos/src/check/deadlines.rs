use chrono::TimeDelta;

use super::{Index, Property, Verdict};
use crate::history::{End, Place};

/// How far apart the beginnings of the transactions that set and read a deadline are read.
const READING: TimeDelta = TimeDelta::milliseconds(5);

/// Whether a job is dead because it was late.
pub(super) fn is_expired(end: &End) -> bool {
    let reason = end.reason.as_deref().unwrap_or_default();
    end.place == Place::Dead && reason.contains("did not begin before its deadline")
}

/// What is claimed after its deadline does not begin, and only that expires.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for job in &index.history.enqueued {
        let end = index.end(job.job);
        let expired = end.filter(|end| is_expired(end));
        if expired.is_some() {
            verdict.count("jobs expired", 1);
        }
        let Some(deadline) = job.deadline_at else {
            if expired.is_some() {
                let text = format!("job {} expired and has no deadline", job.job);
                verdict.find(Property::Deadlines, text);
            }
            continue;
        };
        for run in index
            .runs(job.job)
            .iter()
            .filter(|run| run.claim.at > deadline)
        {
            let text = format!(
                "job {} was claimed at {}, after {deadline}, and begun all the same",
                job.job, run.claim.at
            );
            verdict.find(Property::Deadlines, text);
        }
        if let Some(end) = expired.filter(|end| end.at + READING < deadline) {
            let text = format!("job {} expired at {}, before {deadline}", job.job, end.at);
            verdict.find(Property::Deadlines, text);
        }
    }
}

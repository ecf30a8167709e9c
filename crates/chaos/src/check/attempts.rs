use super::{Index, Property, Verdict, deadlines};
use crate::history::{End, Place};
use crate::kinds::Does;

/// No job runs more often than it may, and none is dead before.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for job in &index.history.enqueued {
        let Some(end) = index.end(job.job) else {
            continue;
        };
        let most = usize::try_from(end.max_attempts).unwrap_or(0);
        let mut claims: Vec<_> = index
            .runs(job.job)
            .iter()
            .filter(|run| index.closing(&run.claim).is_none_or(|it| it.burned_attempt))
            .map(|run| run.claim)
            .collect();
        claims.dedup();
        if claims.len() > most {
            let text = format!(
                "job {} ({}) ran {} times, {most} are allowed",
                job.job,
                job.kind,
                claims.len()
            );
            verdict.find(Property::Attempts, text);
        }
        for run in index
            .runs(job.job)
            .iter()
            .filter(|run| run.attempt > end.max_attempts)
        {
            let text = format!(
                "job {} ({}) began attempt {} of {most}",
                job.job, job.kind, run.attempt
            );
            verdict.find(Property::Attempts, text);
        }
        let says_so = job.does == Does::GiveUp || deadlines::is_expired(end);
        if end.place == Place::Dead && !says_so {
            died_in_time(index, end, verdict);
        }
    }
}

/// A job that did not say so itself is dead only when its attempts are spent.
fn died_in_time(index: &Index<'_>, end: &End, verdict: &mut Verdict) {
    let closings = index
        .closings_of_job
        .get(&end.job)
        .map_or(&[][..], Vec::as_slice);
    let burned = closings
        .iter()
        .filter(|closing| closing.burned_attempt)
        .count();
    if burned < usize::try_from(end.max_attempts).unwrap_or(0) {
        let outcomes: Vec<_> = closings.iter().map(|it| it.outcome.as_str()).collect();
        let text = format!(
            "job {} ({}) is dead after {burned} of {} attempts: {outcomes:?}, {:?}",
            end.job, end.kind, end.max_attempts, end.reason
        );
        verdict.find(Property::Attempts, text);
    }
}

use super::{Index, Property, Verdict};
use crate::history::{Effect, Place};

/// What is committed behind the fence is committed once, by whoever held the job.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for (job, effects) in &index.effects {
        let first = effects.iter().filter(|it| it.is_first);
        let sessions: Vec<_> = first.map(|it| it.claim.session).collect();
        if sessions.len() > 1 {
            let text = format!("job {job} had its effect more than once, by sessions {sessions:?}");
            verdict.find(Property::Effects, text);
        }
        for effect in effects {
            passed_in_time(index, effect, verdict);
        }
    }
    for job in &index.history.enqueued {
        let is_done = index
            .end(job.job)
            .is_some_and(|end| end.place == Place::Done);
        if is_done && !index.effects.contains_key(&job.job) {
            let text = format!("job {} ({}) is done and had no effect", job.job, job.kind);
            verdict.find(Property::Effects, text);
        }
    }
}

/// Whoever passes the fence holds the job: no later claim of it has begun.
fn passed_in_time(index: &Index<'_>, effect: &Effect, verdict: &mut Verdict) {
    let job = effect.claim.job;
    let runs = index.runs(job);
    let own = runs.iter().find(|run| run.claim == effect.claim);
    let Some(nth) = own.and_then(|run| run.nth) else {
        let text = format!(
            "job {job}: session {} passed the fence at {} in a run that began without its lease",
            effect.claim.session, effect.at
        );
        verdict.find(Property::Effects, text);
        return;
    };
    let later = |run: &&&crate::history::Run| {
        run.nth.is_some_and(|other| other > nth) && run.begun_at < effect.at
    };
    if let Some(later) = runs.iter().find(later) {
        let text = format!(
            "job {job}: session {} passed the fence at {}, after session {} had begun at {}",
            effect.claim.session, effect.at, later.claim.session, later.begun_at
        );
        verdict.find(Property::Effects, text);
    }
}

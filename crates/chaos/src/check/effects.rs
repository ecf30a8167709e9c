use super::{Index, Property, Verdict};
use crate::history::Place;

/// What is committed behind the fence is committed once, by whoever held the job.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for (job, effects) in &index.effects {
        if effects.len() > 1 {
            let sessions: Vec<_> = effects.iter().map(|it| it.claim.session).collect();
            let text = format!(
                "job {job} had its effect {} times, by sessions {sessions:?}",
                effects.len()
            );
            verdict.find(Property::Effects, text);
        }
        for effect in effects {
            let later = index.runs(*job).iter().find(|run| {
                run.nth.is_some_and(|nth| nth > effect.nth) && run.begun_at < effect.at
            });
            if let Some(later) = later {
                let text = format!(
                    "job {job}: session {} committed its effect at {}, after session {} had begun at {}",
                    effect.claim.session, effect.at, later.claim.session, later.begun_at
                );
                verdict.find(Property::Effects, text);
            }
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

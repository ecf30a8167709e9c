use chrono::TimeDelta;

use super::{Index, Property, Verdict};

/// How long a pause may take to reach every process: half a second where its signal was lost, and as
/// long as a worker waits for a connection while all of its own are busy or silent.
const REACH: TimeDelta = TimeDelta::milliseconds(2500);

/// Nothing is claimed while something that it is limited by is paused.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for pause in &index.history.pauses {
        verdict.count("pauses", 1);
        let held = pause.paused_at + REACH..pause.resumed_at;
        for run in &index.history.runs {
            let job = index.enqueued.get(&run.claim.job);
            if held.contains(&run.claim.at) && job.is_some_and(|job| job.is_limited_by(&pause.key))
            {
                let text = format!(
                    "{} was paused from {} to {}, and job {} was claimed at {}",
                    pause.key, pause.paused_at, pause.resumed_at, run.claim.job, run.claim.at
                );
                verdict.find(Property::Pauses, text);
            }
        }
    }
}

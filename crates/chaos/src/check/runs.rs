use super::{Index, Property, Verdict};
use crate::history::{Closing, Run};

/// Runs of one job at a time, unless a lease was lost; each accounted for.
pub(super) fn check(index: &Index<'_>, verdict: &mut Verdict) {
    for runs in index.runs.values() {
        for (nth, earlier) in runs.iter().enumerate() {
            accounts(index, earlier, verdict);
            for later in &runs[nth + 1..] {
                pair(index, earlier, later, verdict);
            }
        }
    }
}

/// The engine says once how a claim that was begun came to its end.
fn accounts(index: &Index<'_>, run: &Run, verdict: &mut Verdict) {
    let closings = index
        .closings
        .get(&run.claim)
        .map_or(&[][..], Vec::as_slice);
    if let [only] = closings {
        done_by_itself(run, only, verdict);
        return;
    }
    let outcomes: Vec<_> = closings.iter().map(|it| it.outcome.as_str()).collect();
    let text = format!(
        "job {}, attempt {} of session {}, began at {} and ended as {outcomes:?}",
        run.claim.job, run.attempt, run.claim.session, run.begun_at
    );
    verdict.find(Property::Accounts, text);
}

/// What is closed as done was said to be done by that very run, before.
fn done_by_itself(run: &Run, closing: &Closing, verdict: &mut Verdict) {
    // An end that could not be recorded says nothing.
    let Some((at, outcome)) = run.ended.as_ref().filter(|_| closing.outcome == "done") else {
        return;
    };
    if outcome != "ok" || *at > closing.at {
        let text = format!(
            "job {} was done at {}, and its run of session {} ended as {outcome} at {at}",
            run.claim.job, closing.at, run.claim.session
        );
        verdict.find(Property::Accounts, text);
    }
}

fn pair(index: &Index<'_>, earlier: &Run, later: &Run, verdict: &mut Verdict) {
    let job = earlier.claim.job;
    if earlier.claim == later.claim {
        let text = format!(
            "job {job} ran twice under one claim, at {} and {}",
            earlier.begun_at, later.begun_at
        );
        verdict.find(Property::DoubleRun, text);
        return;
    }
    let ended = earlier.ended.as_ref();
    let overlaps =
        ended.is_some_and(|(at, _)| *at > later.begun_at) || earlier.begun_at > later.begun_at;
    let succeeded = ended.is_some_and(|(_, outcome)| outcome == "ok");
    if !overlaps && !succeeded {
        return;
    }
    let what = if overlaps {
        "ran twice at a time"
    } else {
        "ran again after it had succeeded"
    };
    if index.lost_lease(&earlier.claim) {
        verdict.count(format!("explained by a lost lease: {what}"), 1);
        return;
    }
    let outcome = index.closing(&earlier.claim).map(|it| it.outcome.as_str());
    // The handler ended, and its time was over, or its process told to end, before that was said.
    if !overlaps && matches!(outcome, Some("timed_out" | "retry")) && is_cut_short(index, earlier) {
        verdict.count("explained by a handler dropped at its end", 1);
        return;
    }
    let text = format!(
        "job {job} {what}, and no lease was lost: sessions {} (from {}, {ended:?}, {outcome:?}) and {} (from {})",
        earlier.claim.session, earlier.begun_at, later.claim.session, later.begun_at
    );
    verdict.find(Property::DoubleRun, text);
}

/// Whether the run was dropped rather than failed: its process drained, or its time was over.
fn is_cut_short(index: &Index<'_>, run: &Run) -> bool {
    index
        .closing(&run.claim)
        .is_some_and(|closing| closing.outcome == "timed_out" || !closing.burned_attempt)
}

use chrono::TimeDelta;

use super::{Index, Verdict};
use crate::history::Place;

/// Counts what the run was made of.
pub(super) fn count(index: &Index<'_>, verdict: &mut Verdict) {
    let history = index.history;
    verdict.count("jobs committed", history.enqueued.len());
    verdict.count("jobs of poison", history.poison.len());
    verdict.count("runs", history.runs.len());
    verdict.count(
        "effects",
        history.effects.iter().filter(|it| it.is_first).count(),
    );
    verdict.count("fences passed", history.effects.len());
    for end in &history.ends {
        let place = match end.place {
            Place::Done => "jobs done",
            Place::Cancelled => "jobs cancelled",
            Place::Dead => "jobs dead",
            Place::Waiting(_) => "jobs waiting",
        };
        verdict.count(place, 1);
    }
    for closing in &history.closings {
        if closing.outcome == "crashed" {
            verdict.count("leases lost", 1);
        }
        if !closing.burned_attempt && closing.outcome == "retry" {
            verdict.count("runs given back by a deploy", 1);
        }
    }
    let hour = TimeDelta::hours(1);
    let stepped = history
        .runs
        .iter()
        .filter(|run| (run.wall_at - run.begun_at).abs() > hour);
    verdict.count("runs by a clock a day off", stepped.count());
    let late = history.runs.iter().filter(|run| {
        let closing = index.closing(&run.claim);
        closing.is_some_and(|closing| closing.at < run.begun_at)
    });
    verdict.count("runs begun after their lease was lost", late.count());
}

//! Each check on histories written by hand: what it must see, and what it must let pass.

use chrono::TimeDelta;

use super::{Property, check};
use crate::history::{
    Cancel, Claim, Closing, Effect, End, Enqueued, History, Limit, Pause, Place, Poison, Run, Tick,
    Time,
};
use crate::kinds::Does;

fn at(ms: i64) -> Time {
    Time::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

/// The claim of a job by a session, at a time.
fn claim(job: i64, session: i64, ms: i64) -> Claim {
    Claim {
        job,
        at: at(ms),
        session,
    }
}

fn run(claim: Claim, attempt: i16, begun: i64, ended: Option<(i64, &str)>) -> Run {
    Run {
        claim,
        // Here the times tell the order.
        nth: i32::try_from(claim.at.timestamp_millis()).ok(),
        attempt,
        begun_at: at(begun),
        ended: ended.map(|(ms, outcome)| (at(ms), outcome.to_owned())),
        wall_at: at(begun),
    }
}

fn effect(claim: Claim, ms: i64) -> Effect {
    Effect {
        claim,
        is_first: true,
        at: at(ms),
    }
}

fn closing(claim: Claim, outcome: &str, ms: i64) -> Closing {
    Closing {
        claim,
        outcome: outcome.to_owned(),
        burned_attempt: outcome != "snoozed",
        at: at(ms),
    }
}

fn end(job: i64, place: Place, ms: i64) -> End {
    End {
        job,
        kind: "chaos-plain".to_owned(),
        place,
        at: at(ms),
        attempt: 1,
        max_attempts: 2,
        reason: None,
    }
}

fn enqueued(job: i64, key: Option<&str>) -> Enqueued {
    Enqueued {
        n: job,
        job,
        kind: "chaos-plain".to_owned(),
        does: Does::Succeed,
        tenant: None,
        key: key.map(str::to_owned),
        endpoint: None,
        deadline_at: None,
    }
}

/// A job that ran once from `begun` on and was done 10 ms later.
fn add_done(history: &mut History, job: i64, key: Option<&str>, begun: i64) {
    let claim = claim(job, 1, begun - 1);
    history.enqueued.push(enqueued(job, key));
    history.acknowledged.push(job);
    history
        .runs
        .push(run(claim, 1, begun, Some((begun + 8, "ok"))));
    history.effects.push(effect(claim, begun + 5));
    history.closings.push(closing(claim, "done", begun + 10));
    history.ends.push(end(job, Place::Done, begun + 10));
}

/// What is broken, each once.
fn broken(history: &History) -> Vec<Property> {
    let mut properties: Vec<_> = check(history)
        .findings
        .iter()
        .map(|it| it.property)
        .collect();
    properties.sort();
    properties.dedup();
    properties
}

fn whole() -> History {
    let mut history = History::default();
    add_done(&mut history, 1, None, 100);
    add_done(&mut history, 2, Some("k"), 100);
    add_done(&mut history, 3, Some("k"), 120);
    history
}

#[test]
fn a_whole_history_is_found_whole() {
    assert_eq!(broken(&whole()), []);
}

#[test]
fn a_job_that_is_nowhere_is_lost() {
    let mut history = whole();
    history.ends.retain(|end| end.job != 1);
    assert_eq!(broken(&history), [Property::Lost]);
}

#[test]
fn a_commit_that_was_answered_and_is_gone_is_lost() {
    let mut history = whole();
    history.acknowledged.push(99);
    assert_eq!(broken(&history), [Property::Lost]);
}

#[test]
fn a_job_that_ended_twice_or_was_never_enqueued_is_named() {
    let mut history = whole();
    history.ends.push(end(1, Place::Dead, 200));
    assert!(broken(&history).contains(&Property::Lost));
    let mut history = whole();
    history.ends.push(end(50, Place::Done, 200));
    assert_eq!(broken(&history), [Property::Lost]);
}

#[test]
fn more_runs_than_attempts_are_named() {
    let mut history = whole();
    for (nth, ms) in [(1, 10), (2, 30)] {
        let claim = claim(1, 1, ms);
        history
            .runs
            .push(run(claim, nth, ms + 1, Some((ms + 2, "failed"))));
        history.closings.push(closing(claim, "retry", ms + 3));
    }
    assert_eq!(broken(&history), [Property::Attempts]);
    // A snooze takes no attempt.
    if let Some(closing) = history.closings.last_mut() {
        closing.burned_attempt = false;
    }
    assert_eq!(broken(&history), []);
}

#[test]
fn a_death_before_the_last_attempt_is_named() {
    let mut history = whole();
    history.effects.retain(|effect| effect.claim.job != 1);
    for end in history.ends.iter_mut().filter(|end| end.job == 1) {
        end.place = Place::Dead;
    }
    assert_eq!(broken(&history), [Property::Attempts]);
}

#[test]
fn what_is_late_does_not_begin() {
    let mut history = whole();
    history.enqueued[0].deadline_at = Some(at(99));
    assert_eq!(broken(&history), []);
    history.enqueued[0].deadline_at = Some(at(98));
    assert_eq!(broken(&history), [Property::Deadlines]);
    // One that waited too long is dead before its attempts are spent; it must have been late.
    history.runs.retain(|run| run.claim.job != 1);
    history.effects.retain(|effect| effect.claim.job != 1);
    history.closings.retain(|closing| closing.claim.job != 1);
    history.ends[0].place = Place::Dead;
    history.ends[0].reason = Some("it did not begin before its deadline".to_owned());
    assert_eq!(broken(&history), []);
    history.enqueued[0].deadline_at = Some(at(500));
    assert_eq!(broken(&history), [Property::Deadlines]);
}

#[test]
fn two_runs_at_a_time_need_a_lost_lease() {
    let mut history = whole();
    let first = claim(1, 2, 90);
    history.runs.push(run(first, 1, 91, Some((105, "failed"))));
    history.closings.push(closing(first, "retry", 95));
    assert_eq!(broken(&history), [Property::DoubleRun]);
    if let Some(closing) = history.closings.last_mut() {
        closing.outcome = "crashed".to_owned();
    }
    assert_eq!(broken(&history), []);
}

#[test]
fn claims_are_told_apart_by_their_number_and_not_by_their_time() {
    let mut history = whole();
    // Its transaction began after that of the claim that came later and is done.
    let first = claim(1, 2, 99);
    history.runs.push(run(first, 1, 90, Some((95, "failed"))));
    history.runs[0].nth = Some(2);
    if let Some(run) = history.runs.last_mut() {
        run.nth = Some(1);
    }
    history.closings.push(closing(first, "retry", 96));
    history.closings[0].claim.at = at(80);
    history.runs[0].claim.at = at(80);
    history.effects[0].claim.at = at(80);
    assert_eq!(broken(&history), []);
}

#[test]
fn a_run_that_began_without_its_lease_has_to_have_lost_it() {
    let mut history = whole();
    let first = claim(1, 2, 50);
    history.runs.push(run(first, 1, 103, None));
    if let Some(run) = history.runs.last_mut() {
        run.nth = None;
    }
    history.closings.push(closing(first, "crashed", 90));
    assert_eq!(broken(&history), []);
    if let Some(closing) = history.closings.last_mut() {
        closing.outcome = "retry".to_owned();
    }
    assert_eq!(broken(&history), [Property::DoubleRun]);
}

#[test]
fn a_run_after_a_success_needs_a_lost_lease() {
    let mut history = whole();
    let first = claim(1, 2, 80);
    history.runs.push(run(first, 1, 81, Some((85, "ok"))));
    history.closings.push(closing(first, "retry", 86));
    assert_eq!(broken(&history), [Property::DoubleRun]);
    if let Some(closing) = history.closings.last_mut() {
        closing.outcome = "crashed".to_owned();
    }
    assert_eq!(broken(&history), []);
}

#[test]
fn one_claim_runs_once_and_has_one_end() {
    let mut history = whole();
    let again = history.runs[0].clone();
    history.runs.push(again);
    assert_eq!(broken(&history), [Property::DoubleRun]);
    let mut history = whole();
    history.closings.retain(|closing| closing.claim.job != 1);
    assert_eq!(broken(&history), [Property::Accounts]);
}

#[test]
fn a_job_is_done_by_the_run_that_said_so() {
    let mut history = whole();
    history.runs[0].ended = Some((at(115), "ok".to_owned()));
    assert_eq!(broken(&history), [Property::Accounts]);
    history.runs[0].ended = Some((at(105), "failed".to_owned()));
    assert_eq!(broken(&history), [Property::Accounts]);
    history.runs[0].ended = None;
    assert_eq!(broken(&history), []);
}

#[test]
fn a_fence_passed_without_the_lease_is_named_even_if_it_changed_nothing() {
    let mut history = whole();
    let first = claim(1, 2, 50);
    history.runs.push(run(first, 1, 51, None));
    history.closings.push(closing(first, "crashed", 80));
    let mut late = effect(first, 106);
    late.is_first = false;
    history.effects.push(late);
    assert_eq!(broken(&history), [Property::Effects]);
}

#[test]
fn an_effect_comes_once_and_before_a_later_claim_begins() {
    let mut history = whole();
    let again = history.effects[0];
    history.effects.push(again);
    assert_eq!(broken(&history), [Property::Effects]);
    let mut history = whole();
    let first = claim(1, 2, 50);
    history.runs.push(run(first, 1, 51, None));
    history.closings.push(closing(first, "crashed", 80));
    history.effects[0] = effect(first, 103);
    assert_eq!(broken(&history), [Property::Effects]);
    history.effects[0].at = at(70);
    assert_eq!(broken(&history), []);
}

#[test]
fn a_job_that_is_done_has_had_its_effect() {
    let mut history = whole();
    history.effects.remove(0);
    assert_eq!(broken(&history), [Property::Effects]);
}

#[test]
fn a_job_that_begins_before_the_one_before_it_is_gone_is_out_of_order() {
    let mut history = whole();
    add_done(&mut history, 4, Some("k"), 125);
    assert_eq!(broken(&history), [Property::Ordering]);
    let mut history = whole();
    add_done(&mut history, 4, Some("k"), 50);
    assert_eq!(broken(&history), [Property::Ordering]);
    let mut history = whole();
    history.enqueued.push(enqueued(0, Some("k")));
    history.ends.push(end(0, Place::Waiting(0), 1));
    assert_eq!(broken(&history), [Property::Lost, Property::Ordering]);
}

fn limit(concurrency: Option<i32>, rate: Option<(f64, i32)>) -> Limit {
    Limit {
        key: "kind:chaos-plain".to_owned(),
        concurrency,
        rate,
        running: 0,
    }
}

#[test]
fn more_runs_at_a_time_than_allowed_are_counted() {
    let mut history = whole();
    history.limits.push(limit(Some(2), None));
    assert_eq!(broken(&history), []);
    add_done(&mut history, 4, None, 104);
    assert_eq!(broken(&history), [Property::Concurrency]);
    // One that lost its lease before is not counted any more.
    for closing in history.closings.iter_mut().filter(|it| it.claim.job == 1) {
        closing.outcome = "crashed".to_owned();
        closing.at = at(103);
    }
    assert_eq!(broken(&history), []);
}

#[test]
fn more_claims_in_a_window_than_allowed_are_counted() {
    let mut history = History::default();
    history.limits.push(limit(None, Some((10.0, 3))));
    for job in 0..3 {
        add_done(&mut history, job, None, 1000);
    }
    add_done(&mut history, 3, None, 1100);
    assert_eq!(broken(&history), []);
    add_done(&mut history, 4, None, 1100);
    assert_eq!(broken(&history), [Property::Rate]);
}

#[test]
fn a_limit_or_a_key_that_counts_the_gone_is_named() {
    let mut history = whole();
    history.limits.push(limit(Some(9), None));
    history.limits[0].running = 1;
    assert_eq!(broken(&history), [Property::Leftovers]);
}

#[test]
fn what_is_cancelled_while_it_waits_does_not_begin() {
    let mut history = whole();
    let mut cancel = Cancel {
        job: 1,
        state: Some(1),
        committed_at: Some(at(90)),
    };
    history.cancels.push(cancel);
    assert_eq!(broken(&history), [Property::Cancels]);
    // Too late for a job that is running already.
    cancel.state = Some(3);
    cancel.committed_at = Some(at(104));
    history.cancels[0] = cancel;
    assert_eq!(broken(&history), []);
}

#[test]
fn nobody_is_cancelled_unasked() {
    let mut history = whole();
    history.ends[0].place = Place::Cancelled;
    assert_eq!(broken(&history), [Property::Cancels]);
}

#[test]
fn poison_is_dead_with_a_reason_and_the_unknown_waits() {
    let mut history = whole();
    for (job, is_known_kind) in [(10, true), (11, false)] {
        history.poison.push(Poison { job, is_known_kind });
    }
    let mut dead = end(10, Place::Dead, 10);
    dead.reason = Some("undecodable payload: x".to_owned());
    history.ends.push(dead);
    let mut waiting = end(11, Place::Waiting(0), 10);
    waiting.attempt = 0;
    history.ends.push(waiting);
    assert_eq!(broken(&history), []);
    for end in history.ends.iter_mut().filter(|end| end.job == 10) {
        end.place = Place::Done;
    }
    history.deaths.push("worker 1 ended".to_owned());
    assert_eq!(broken(&history), [Property::Poison, Property::Workers]);
}

#[test]
fn ticks_come_once_each_and_none_is_missing() {
    let ticks = |seconds: &[i64]| History {
        ticks: seconds
            .iter()
            .map(|second| Tick {
                schedule: "s".to_owned(),
                period_ms: 1000,
                due_at: at(second * 1000),
            })
            .collect(),
        ..History::default()
    };
    assert_eq!(broken(&ticks(&[1, 2, 3])), []);
    assert_eq!(broken(&ticks(&[1, 2, 2, 3])), [Property::Ticks]);
    assert_eq!(broken(&ticks(&[1, 3])), [Property::Ticks]);
    let mut ended = ticks(&[1, 2, 3]);
    ended.schedule_ends = vec![("s".to_owned(), at(5000))];
    assert_eq!(broken(&ended), []);
    ended.schedule_ends = vec![("s".to_owned(), at(9000))];
    assert_eq!(broken(&ended), [Property::Ticks]);
}

#[test]
fn what_is_paused_is_not_claimed() {
    let mut history = whole();
    let pause = |key: &str, from: i64, until: i64| Pause {
        key: key.to_owned(),
        paused_at: at(from),
        resumed_at: at(until),
    };
    // The first job is claimed at 99: soon after the first pause, and after the second.
    history.pauses = vec![
        pause("kind:chaos-plain", -2300, 200),
        pause("kind:chaos-plain", -3000, 99),
        pause("kind:another", -3000, 200),
    ];
    assert_eq!(broken(&history), []);
    history.pauses = vec![pause("kind:chaos-plain", -3000, 200)];
    assert_eq!(broken(&history), [Property::Pauses]);
}

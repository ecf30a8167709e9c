use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{Property, Verdict};
use crate::history::{History, Tick};

/// How late the tick of a period may be found when all is healed.
const PATIENCE: TimeDelta = TimeDelta::seconds(3);

/// One job for each period of a schedule, from its first tick until the schedule was ended.
pub(super) fn check(history: &History, verdict: &mut Verdict) {
    let mut schedules: BTreeMap<&str, Vec<&Tick>> = BTreeMap::new();
    for tick in &history.ticks {
        schedules.entry(&tick.schedule).or_default().push(tick);
    }
    for (schedule, end) in &history.schedule_ends {
        let last = history
            .ticks
            .iter()
            .filter(|tick| tick.schedule == *schedule)
            .map(|tick| tick.due_at)
            .max();
        if last.is_none_or(|last| last < *end - PATIENCE) {
            let text = format!("{schedule}: ended at {end}, and its last tick is {last:?}");
            verdict.find(Property::Ticks, text);
        }
    }
    for (schedule, mut ticks) in schedules {
        ticks.sort_by_key(|tick| tick.due_at);
        verdict.count(format!("ticks of {schedule}"), ticks.len());
        for pair in ticks.windows(2) {
            let [before, after] = pair else {
                continue;
            };
            let step = after.due_at - before.due_at;
            let what = if step.is_zero() {
                "has two jobs"
            } else if step == TimeDelta::milliseconds(after.period_ms) {
                continue;
            } else {
                "does not follow the tick before it"
            };
            let text = format!(
                "{schedule}: the tick of {} {what} ({})",
                after.due_at, before.due_at
            );
            verdict.find(Property::Ticks, text);
        }
    }
}

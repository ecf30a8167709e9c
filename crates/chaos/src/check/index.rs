use std::collections::HashMap;

use crate::history::{Claim, Closing, Effect, End, Enqueued, History, Run};

/// A history by job and by claim.
pub(super) struct Index<'h> {
    pub(super) history: &'h History,
    /// In the order of their claims, and of their beginning where a claim has several; first those
    /// that began after their lease was lost.
    pub(super) runs: HashMap<i64, Vec<&'h Run>>,
    pub(super) closings: HashMap<Claim, Vec<&'h Closing>>,
    pub(super) closings_of_job: HashMap<i64, Vec<&'h Closing>>,
    pub(super) ends: HashMap<i64, Vec<&'h End>>,
    pub(super) effects: HashMap<i64, Vec<&'h Effect>>,
    pub(super) enqueued: HashMap<i64, &'h Enqueued>,
}

fn group<K: std::hash::Hash + Eq, T>(items: &[T], key: impl Fn(&T) -> K) -> HashMap<K, Vec<&T>> {
    let mut groups: HashMap<K, Vec<&T>> = HashMap::new();
    for item in items {
        groups.entry(key(item)).or_default().push(item);
    }
    groups
}

impl<'h> Index<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let mut runs = group(&history.runs, |run| run.claim.job);
        for runs in runs.values_mut() {
            runs.sort_by_key(|run| (run.nth, run.begun_at));
        }
        Self {
            history,
            runs,
            closings: group(&history.closings, |closing| closing.claim),
            closings_of_job: group(&history.closings, |closing| closing.claim.job),
            ends: group(&history.ends, |end| end.job),
            effects: group(&history.effects, |effect| effect.claim.job),
            enqueued: history.enqueued.iter().map(|job| (job.job, job)).collect(),
        }
    }

    /// The runs of a job.
    pub(super) fn runs(&self, job: i64) -> &[&'h Run] {
        self.runs.get(&job).map_or(&[], Vec::as_slice)
    }

    /// How the engine says that a claim ended.
    pub(super) fn closing(&self, claim: &Claim) -> Option<&'h Closing> {
        self.closings
            .get(claim)
            .and_then(|closings| closings.first())
            .copied()
    }

    /// Whether a claim ended because its lease ran out: whatever its run did after that is explained.
    pub(super) fn lost_lease(&self, claim: &Claim) -> bool {
        self.closing(claim)
            .is_some_and(|closing| closing.outcome == "crashed")
    }

    /// A job's last row, if it has one.
    pub(super) fn end(&self, job: i64) -> Option<&'h End> {
        self.ends.get(&job).and_then(|ends| ends.first()).copied()
    }
}

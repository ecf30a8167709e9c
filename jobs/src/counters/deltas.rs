use std::collections::BTreeMap;
use std::time::Duration;

use super::Event;

/// What was noted, by kind. Sorted, so that every process locks the rows it folds into in the same
/// order and none waits for another in a circle.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    kinds: BTreeMap<Box<str>, KindDeltas>,
}

/// What was noted of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KindDeltas {
    /// By [`Place`](super::Place).
    pub(super) depths: [i64; 5],
    pub(super) minute: Minute,
}

/// Sums of events, named like the columns of `job_minutes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) enqueued: i64,
    pub(super) started: i64,
    pub(super) done: i64,
    pub(super) failed: i64,
    pub(super) cancelled: i64,
    pub(super) dead: i64,
    pub(super) wait: Duration,
    pub(super) run: Duration,
}

impl Minute {
    pub(super) fn add(&mut self, event: Event, n: i64) {
        match event {
            Event::Enqueued => self.enqueued += n,
            Event::Started { wait } => {
                self.started += n;
                self.wait = self.wait.saturating_add(wait);
            }
            Event::Done { run } => {
                self.done += n;
                self.run = self.run.saturating_add(run);
            }
            Event::Failed { run } => {
                self.failed += n;
                self.run = self.run.saturating_add(run);
            }
            Event::Cancelled { run } => {
                self.cancelled += n;
                self.run = self.run.saturating_add(run);
            }
            Event::Dead => self.dead += n,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.enqueued += other.enqueued;
        self.started += other.started;
        self.done += other.done;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.dead += other.dead;
        self.wait = self.wait.saturating_add(other.wait);
        self.run = self.run.saturating_add(other.run);
    }
}

impl Deltas {
    /// Changes what was noted of one kind; a kind is allocated the first time it is seen.
    pub(super) fn change(&mut self, kind: &str, change: impl FnOnce(&mut KindDeltas)) {
        match self.kinds.get_mut(kind) {
            Some(deltas) => change(deltas),
            None => change(self.kinds.entry(kind.into()).or_default()),
        }
    }

    /// Takes the changes of depths, sorted by kind and place, zeros left out.
    pub(super) fn take_depths(&mut self) -> Vec<(Box<str>, usize, i64)> {
        let mut taken = Vec::new();
        for (kind, deltas) in &mut self.kinds {
            for (index, jobs) in deltas.depths.iter_mut().enumerate() {
                if *jobs != 0 {
                    taken.push((kind.clone(), index, std::mem::take(jobs)));
                }
            }
        }
        taken
    }

    /// Takes the events, sorted by kind.
    pub(super) fn take_minutes(&mut self) -> Vec<(Box<str>, Minute)> {
        let mut taken = Vec::new();
        for (kind, deltas) in &mut self.kinds {
            let minute = std::mem::take(&mut deltas.minute);
            if minute != Minute::default() {
                taken.push((kind.clone(), minute));
            }
        }
        taken
    }

    /// Puts changes of depths back that could not be folded.
    pub(super) fn put_back_depths(&mut self, depths: &[(Box<str>, usize, i64)]) {
        for (kind, index, jobs) in depths {
            self.change(kind, |deltas| deltas.depths[*index] += jobs);
        }
    }

    /// Puts events back that could not be folded.
    pub(super) fn put_back_minutes(&mut self, minutes: &[(Box<str>, Minute)]) {
        for (kind, minute) in minutes {
            self.change(kind, |deltas| deltas.minute.merge(minute));
        }
    }
}

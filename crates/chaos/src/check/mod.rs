//! Holds a recorded history to what the engine promises. Nothing here touches a database.

mod attempts;
mod cancels;
mod deadlines;
mod effects;
mod figures;
mod index;
mod jobs;
mod limits;
mod ordering;
mod pauses;
mod poison;
mod runs;
#[cfg(test)]
mod tests;
mod ticks;

use std::collections::BTreeMap;

use crate::history::History;
use index::Index;

/// What the engine promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Property {
    /// Every committed job is finished or dead, once, and no other job exists.
    Lost,
    /// No job is tried more often than its kind allows, nor dies before.
    Attempts,
    /// Two runs of a job at a time, or a run after its success, come from a lost lease only.
    DoubleRun,
    /// Every claim that was begun has one end in the engine's tables.
    Accounts,
    /// A fenced effect is committed once at most, and before any later claim begins.
    Effects,
    /// Jobs of one ordering key run one at a time, in their order.
    Ordering,
    /// No more runs at a time than a limit allows.
    Concurrency,
    /// No more claims in any window than a limit allows.
    Rate,
    /// A cancelled job does not begin any more.
    Cancels,
    /// Nothing is claimed that is paused.
    Pauses,
    /// No job begins after its deadline, and none expires before.
    Deadlines,
    /// What cannot be read is dead, with the reason; what is unknown waits.
    Poison,
    /// No worker ends by itself.
    Workers,
    /// One job for each tick.
    Ticks,
    /// Limits and ordering keys count nobody who is gone.
    Leftovers,
}

impl Property {
    /// Its name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Attempts => "attempts",
            Self::DoubleRun => "double-run",
            Self::Accounts => "accounts",
            Self::Effects => "effects",
            Self::Ordering => "ordering",
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
            Self::Cancels => "cancels",
            Self::Pauses => "pauses",
            Self::Deadlines => "deadlines",
            Self::Poison => "poison",
            Self::Workers => "workers",
            Self::Ticks => "ticks",
            Self::Leftovers => "leftovers",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) property: Property,
    pub(crate) text: String,
}

/// What the checks found, and counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    pub(crate) figures: BTreeMap<String, usize>,
}

impl Verdict {
    fn find(&mut self, property: Property, text: impl Into<String>) {
        self.findings.push(Finding {
            property,
            text: text.into(),
        });
    }

    fn count(&mut self, figure: impl Into<String>, value: usize) {
        *self.figures.entry(figure.into()).or_default() += value;
    }
}

/// Checks everything.
pub(crate) fn check(history: &History) -> Verdict {
    let index = Index::new(history);
    let mut verdict = Verdict::default();
    figures::count(&index, &mut verdict);
    jobs::check(&index, &mut verdict);
    attempts::check(&index, &mut verdict);
    runs::check(&index, &mut verdict);
    effects::check(&index, &mut verdict);
    ordering::check(&index, &mut verdict);
    limits::check(&index, &mut verdict);
    cancels::check(&index, &mut verdict);
    pauses::check(&index, &mut verdict);
    deadlines::check(&index, &mut verdict);
    poison::check(&index, &mut verdict);
    ticks::check(history, &mut verdict);
    verdict
}

//! What the engine counts: for Prometheus, and for the overview of queues.
//!
//! Everything here is noted after it was committed, so that a repeated statement counts once.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::TenantId;

use super::ClaimedJob;
use super::claim::Claimed;
use super::finish::{Ended, Outcome};
use crate::Lane;
use crate::counters::{Counters, Event, Place};
use crate::keys::Promoted;
use crate::metrics::JobMetrics;

/// The kinds of a batch, each once: a batch holds few, and its neighbours are mostly alike.
fn each_once(kinds: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut seen: Vec<&'static str> = Vec::new();
    for kind in kinds {
        if seen.last() != Some(&kind) && !seen.contains(&kind) {
            seen.push(kind);
        }
    }
    seen
}

/// The counters of one engine.
pub(super) struct Notes {
    pub(super) metrics: JobMetrics,
    pub(super) counters: Arc<Counters>,
}

impl Notes {
    /// A claim took this long, and found this.
    pub(super) fn claim_took(&self, lane: Lane, took: Duration, found: &[Claimed]) {
        self.metrics.claim_took(lane, took);
        let found = found.iter().filter(|claimed| !claimed.jobs.is_empty());
        for kind in each_once(found.map(|claimed| claimed.pick.flow.kind.name)) {
            self.metrics.claim_took_for(kind, took);
        }
    }

    /// Jobs of a kind were claimed.
    pub(super) fn claimed(&self, kind: &str, jobs: usize) {
        if jobs > 0 {
            self.metrics.claimed(kind, jobs as u64);
            self.moved(kind, Place::Ready, Some(Place::Running), jobs);
        }
    }

    /// A limit was spent, and jobs of a tenant wait for it.
    pub(super) fn limited(&self, tenant: Option<TenantId>) {
        self.metrics.limited(tenant, 1);
    }

    /// A handler begins, this long after its job was claimed.
    pub(super) fn began(&self, job: &ClaimedJob, since_claim: Duration) {
        let due = job.run_at.max(job.created_at);
        let wait = (job.claimed_at - due).max(TimeDelta::zero());
        let wait = wait.to_std().unwrap_or_default() + since_claim;
        self.metrics.began(job.kind, wait);
        self.counters.event(job.kind, Event::Started { wait }, 1);
    }

    /// A handler ended, however.
    pub(super) fn ran(&self, kind: &str, took: Duration) {
        self.metrics.ran(kind, took);
    }

    /// A step of finishing took this long for these outcomes.
    pub(super) fn finish_took(&self, step: &'static str, took: Duration, ended: &[Ended]) {
        self.metrics.finish_took(step, took);
        for kind in each_once(ended.iter().map(|ended| ended.job.kind)) {
            self.metrics.finish_took_for(kind, took);
        }
    }

    /// An outcome is committed; burials say so themselves.
    pub(super) fn ended(&self, job: &ClaimedJob, outcome: &Outcome, run: Duration) {
        let kind = job.kind;
        match outcome {
            Outcome::Done => {
                self.metrics.ended(kind, "done");
                self.counters.event(kind, Event::Done { run }, 1);
                self.moved(kind, Place::Running, None, 1);
            }
            Outcome::Cancelled { .. } => {
                self.metrics.ended(kind, "cancelled");
                self.counters.event(kind, Event::Cancelled { run }, 1);
                self.moved(kind, Place::Running, None, 1);
            }
            Outcome::Again { after, outcome, .. } => {
                self.metrics.ended(kind, outcome);
                if *outcome != "snoozed" {
                    self.counters.event(kind, Event::Failed { run }, 1);
                }
                let to = if after.is_zero() {
                    Place::Ready
                } else {
                    Place::Scheduled
                };
                self.moved(kind, Place::Running, Some(to), 1);
            }
            Outcome::GiveBack => self.moved(kind, Place::Running, Some(Place::Ready), 1),
            Outcome::Dead { outcome, .. } => {
                self.metrics.ended(kind, outcome);
                self.counters.event(kind, Event::Failed { run }, 1);
            }
        }
    }

    /// A job was buried, which stood at `from`.
    pub(super) fn buried(&self, kind: &str, from: Place) {
        self.metrics.buried(kind);
        self.counters.event(kind, Event::Dead, 1);
        self.moved(kind, from, Some(Place::Dead), 1);
    }

    /// A waiting job died of its deadline, or an abandoned one of its last attempt.
    pub(super) fn died(&self, kind: &str, outcome: &str) {
        self.metrics.ended(kind, outcome);
        self.counters.event(
            kind,
            Event::Failed {
                run: Duration::ZERO,
            },
            1,
        );
    }

    /// An abandoned job went back.
    pub(super) fn rescued(&self, kind: &str) {
        self.died(kind, "crashed");
        self.moved(kind, Place::Running, Some(Place::Ready), 1);
    }

    /// Jobs went from one place to another.
    pub(super) fn moved(&self, kind: &str, from: Place, to: Option<Place>, jobs: usize) {
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
        self.counters.moved(kind, Some(from), to, jobs);
    }

    /// Held jobs came to the head of their keys.
    pub(super) fn promoted(&self, promoted: &Promoted) {
        for head in promoted.heads() {
            let to = if head.is_ready {
                Place::Ready
            } else {
                Place::Scheduled
            };
            self.moved(&head.kind, Place::Held, Some(to), 1);
        }
    }

    /// Leases ran out while this process still held their jobs, which are of these kinds.
    pub(super) fn lost_leases(&self, kinds: &[&'static str]) {
        for kind in kinds {
            self.metrics.lost_lease(kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_a_batch_is_noted_once() {
        let kinds = ["a", "a", "b", "b", "a", "c", "b"];
        assert_eq!(each_once(kinds.into_iter()), ["a", "b", "c"]);
        assert!(each_once(std::iter::empty()).is_empty());
    }
}

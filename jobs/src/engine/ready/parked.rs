use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

/// The number of no limit: a flow that lets its jobs gather.
pub(super) const GATHERING: i64 = 0;

/// Flows that a limit keeps from being claimed, or that let their jobs gather: they cost nothing
/// until their time comes.
#[derive(Debug, Default)]
pub(super) struct Parked {
    flows: HashMap<i64, (Instant, i64)>,
    times: BTreeSet<(Instant, i64)>,
    limits: HashMap<i64, HashSet<i64>>,
}

impl Parked {
    pub(super) fn park(&mut self, flow: i64, limit: i64, until: Instant) {
        self.unpark(flow);
        self.flows.insert(flow, (until, limit));
        self.times.insert((until, flow));
        self.limits.entry(limit).or_default().insert(flow);
    }

    pub(super) fn holds(&self, flow: i64) -> bool {
        self.flows.contains_key(&flow)
    }

    /// Whether a flow is here to let its jobs gather.
    pub(super) fn gathers(&self, flow: i64) -> bool {
        self.flows
            .get(&flow)
            .is_some_and(|(_, limit)| *limit == GATHERING)
    }

    /// Lets go of a flow; says whether it was here.
    pub(super) fn unpark(&mut self, flow: i64) -> bool {
        let Some((until, limit)) = self.flows.remove(&flow) else {
            return false;
        };
        self.times.remove(&(until, flow));
        if let Some(flows) = self.limits.get_mut(&limit) {
            flows.remove(&flow);
            if flows.is_empty() {
                self.limits.remove(&limit);
            }
        }
        true
    }

    /// Lets go and returns the flows whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<i64> {
        let mut flows = Vec::new();
        while let Some((until, flow)) = self.times.first().copied()
            && until <= now
        {
            self.unpark(flow);
            flows.push(flow);
        }
        flows
    }

    /// Lets go and returns the flows that wait for a limit.
    pub(super) fn behind(&mut self, limit: i64) -> Vec<i64> {
        let flows: Vec<i64> = self
            .limits
            .get(&limit)
            .map(|flows| flows.iter().copied().collect())
            .unwrap_or_default();
        for flow in &flows {
            self.unpark(*flow);
        }
        flows
    }

    /// Lets go and returns every flow.
    pub(super) fn all(&mut self) -> Vec<i64> {
        let flows = self.flows.keys().copied().collect();
        *self = Self::default();
        flows
    }

    /// When the next one's time comes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.times.first().map(|(until, _)| *until)
    }
}

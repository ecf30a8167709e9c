use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

/// Flows that a limit keeps from being claimed: they cost nothing until it lets them go.
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

    fn unpark(&mut self, flow: i64) {
        let Some((until, limit)) = self.flows.remove(&flow) else {
            return;
        };
        self.times.remove(&(until, flow));
        if let Some(flows) = self.limits.get_mut(&limit) {
            flows.remove(&flow);
            if flows.is_empty() {
                self.limits.remove(&limit);
            }
        }
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

//! What one lane of this process knows of ready jobs, and in which order they are taken.
//!
//! Nothing here touches the database: flows are heard of by signals and by looks at the table,
//! [`Ready::pick`] says what to claim, [`Ready::claimed`] hears what came of it, and
//! [`Ready::pop`] gives out what was claimed. Time and limits are passed in.

mod flow;
mod parked;
mod tenants;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::TenantId;

pub(super) use flow::Flow;
use parked::{GATHERING, Parked};
use tenants::{Tag, Tenants};

/// What to claim of one flow.
#[derive(Clone, Debug)]
pub(super) struct Pick {
    pub(super) flow: Arc<Flow>,
    /// No ready job of the flow has a lower number.
    pub(super) from_id: i64,
    pub(super) want: usize,
    /// The slots that were charged for it.
    slots: usize,
    /// Tells which of several picks of a flow came last.
    number: u64,
}

/// What came of a pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// As many as wanted; the last one has this number.
    All { last: i64 },
    /// Fewer than the limits allowed: nothing is left.
    Drained,
    /// No more for now: limit `limit` stands in the way until then, or until there is room.
    Limited { limit: i64, until: Instant },
    /// Nothing is known: look again at once.
    Unknown,
}

/// The ready jobs of a lane. `T` is a claimed job that has not begun.
#[derive(Debug)]
pub(super) struct Ready<T> {
    /// Flows that have, or may have, ready jobs.
    flows: HashMap<i64, Waiting>,
    tenants: Tenants,
    parked: Parked,
    /// Claimed and not begun, in the order in which they begin.
    buffer: BTreeMap<(Tag, u64), Buffered<T>>,
    sequence: u64,
    /// How many picks there were.
    picks: u64,
    /// How many jobs are picked and not answered for.
    claiming: usize,
    /// Slots a tenant gets at a time: few while tenants have few jobs, more while they have many.
    quantum: usize,
}

#[derive(Debug)]
struct Waiting {
    flow: Arc<Flow>,
    from_id: i64,
    /// The lowest number heard of since the flow was last picked.
    heard: Option<i64>,
    /// The number of its last pick: what an earlier one did not find may have come since.
    last_pick: u64,
}

#[derive(Debug)]
struct Buffered<T> {
    flow: Arc<Flow>,
    since: Instant,
    job: T,
}

impl<T> Default for Ready<T> {
    fn default() -> Self {
        Self {
            flows: HashMap::new(),
            tenants: Tenants::default(),
            parked: Parked::default(),
            buffer: BTreeMap::new(),
            sequence: 0,
            picks: 0,
            claiming: 0,
            quantum: 1,
        }
    }
}

impl<T> Ready<T> {
    /// Hears that a flow has a ready job, none of them below `id`.
    pub(super) fn hear(&mut self, flow: &Arc<Flow>, id: i64) {
        match self.flows.get_mut(&flow.id) {
            Some(waiting) => {
                waiting.from_id = waiting.from_id.min(id);
                waiting.heard = Some(waiting.heard.map_or(id, |heard| heard.min(id)));
            }
            None => {
                let waiting = Waiting {
                    flow: Arc::clone(flow),
                    from_id: id,
                    heard: Some(id),
                    last_pick: 0,
                };
                self.flows.insert(flow.id, waiting);
                if !self.parked.holds(flow.id) {
                    self.tenants.enter(flow.tenant, flow.priority, flow.id);
                }
            }
        }
    }

    /// Says what to claim for `slots`: the tenants in their order, a few jobs each.
    ///
    /// `per_tenant` is the most that a tenant may have claimed and not begun. What is picked is
    /// charged at once, and counts as claimed; every pick has to be answered by [`Ready::claimed`].
    /// Others may be picked before that, of the same flow too.
    pub(super) fn pick(&mut self, slots: usize, per_tenant: usize, now: Instant) -> Vec<Pick> {
        self.wake_parked(now);
        let quantum = self.quantum.clamp(1, (slots / 32).max(1));
        let mut picks: Vec<Pick> = Vec::new();
        let mut places: HashMap<i64, usize> = HashMap::new();
        let mut left = slots;
        while left > 0 {
            let Some((owner, room)) = self.tenants.in_order().find_map(|owner| {
                let most = per_tenant.saturating_sub(self.tenants.unstarted(owner));
                (most > 0).then_some((owner, most))
            }) else {
                break;
            };
            let Some(id) = self.tenants.next_flow(owner) else {
                break;
            };
            let Some(waiting) = self.flows.get_mut(&id) else {
                self.tenants.leave(owner, id);
                continue;
            };
            let batch = waiting.flow.kind.batch.max(1);
            let slots_here = quantum.min(left);
            let want = (slots_here * batch).min(room);
            let charged = want.div_ceil(batch);
            waiting.heard = None;
            self.tenants.claimed(owner, want);
            self.claiming += want;
            left -= charged.min(left);
            self.tenants.charge(owner, charged);
            match places.get(&id) {
                Some(at) => {
                    picks[*at].want += want;
                    picks[*at].slots += charged;
                }
                None => {
                    places.insert(id, picks.len());
                    self.picks += 1;
                    waiting.last_pick = self.picks;
                    picks.push(Pick {
                        flow: Arc::clone(&waiting.flow),
                        from_id: waiting.from_id,
                        want,
                        slots: charged,
                        number: self.picks,
                    });
                }
            }
            self.let_gather(id, now);
        }
        picks
    }

    /// Leaves a flow whose jobs gather alone for a while.
    fn let_gather(&mut self, id: i64, now: Instant) {
        let Some(waiting) = self.flows.get(&id) else {
            return;
        };
        let flow = &waiting.flow;
        if flow.kind.gather > Duration::ZERO {
            self.tenants.leave(flow.tenant, id);
            self.parked.park(id, GATHERING, now + flow.kind.gather);
        }
    }

    /// Takes in what came of a pick: the jobs, and what is left of their flow.
    pub(super) fn claimed(&mut self, pick: &Pick, took: Took, jobs: Vec<T>, now: Instant) {
        let owner = pick.flow.tenant;
        let batch = pick.flow.kind.batch.max(1);
        self.tenants.refund(owner, pick.slots);
        let (first, step) = self.tenants.charge(owner, jobs.len().div_ceil(batch));
        self.tenants.claimed(owner, jobs.len());
        self.tenants.unclaimed(owner, pick.want);
        self.claiming = self.claiming.saturating_sub(pick.want);
        for (nth, job) in jobs.into_iter().enumerate() {
            self.sequence += 1;
            let tag = first.saturating_add(step.saturating_mul((nth / batch) as u64));
            let flow = Arc::clone(&pick.flow);
            let buffered = Buffered {
                flow,
                since: now,
                job,
            };
            self.buffer.insert((tag, self.sequence), buffered);
        }
        self.settle(pick, took);
    }

    /// Notes what is left of a flow.
    fn settle(&mut self, pick: &Pick, took: Took) {
        let Some(waiting) = self.flows.get_mut(&pick.flow.id) else {
            // A later pick found nothing, because this one may have had it locked.
            if took == Took::Unknown {
                self.hear(&pick.flow, pick.from_id);
            }
            return;
        };
        match took {
            Took::All { last } => {
                let next = last.saturating_add(1).max(waiting.from_id);
                waiting.from_id = waiting.heard.map_or(next, |heard| heard.min(next));
                // More than enough have gathered.
                if self.parked.gathers(pick.flow.id) && self.parked.unpark(pick.flow.id) {
                    self.enter(pick.flow.id);
                }
            }
            Took::Unknown => waiting.from_id = waiting.from_id.min(pick.from_id),
            // A later pick looks, or has looked, for what came after this one.
            Took::Drained if waiting.last_pick != pick.number => {}
            Took::Drained => match waiting.heard {
                Some(heard) => waiting.from_id = heard,
                None => {
                    self.flows.remove(&pick.flow.id);
                    self.tenants.leave(pick.flow.tenant, pick.flow.id);
                }
            },
            Took::Limited { limit, until } => {
                self.tenants.leave(pick.flow.tenant, pick.flow.id);
                self.parked.park(pick.flow.id, limit, until);
            }
        }
    }

    /// Adapts how many slots a tenant gets at a time to how much of what was picked was there.
    pub(super) fn adapt(&mut self, picked: usize, got: usize) {
        if got * 2 < picked {
            self.quantum = (self.quantum / 2).max(1);
        } else if got * 10 > picked * 9 {
            self.quantum = (self.quantum * 2).min(64);
        }
    }

    fn enter(&mut self, flow: i64) {
        if let Some(waiting) = self.flows.get(&flow) {
            let flow = &waiting.flow;
            self.tenants.enter(flow.tenant, flow.priority, flow.id);
        }
    }

    fn wake_parked(&mut self, now: Instant) {
        for flow in self.parked.due(now) {
            self.enter(flow);
        }
    }

    /// Hears that a limit has room. Says whether any flow waited for it.
    pub(super) fn room(&mut self, limit: i64) -> bool {
        let flows = self.parked.behind(limit);
        let any = !flows.is_empty();
        for flow in flows {
            self.enter(flow);
        }
        any
    }

    /// Lets every limited flow try again: limits were set.
    pub(super) fn limits_set(&mut self, weights: HashMap<TenantId, f64>) {
        self.tenants.set_weights(weights);
        for flow in self.parked.all() {
            self.enter(flow);
        }
    }

    /// When the next limited flow may try again.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.parked.next()
    }

    /// Gives out the job that begins next.
    pub(super) fn pop(&mut self) -> Option<T> {
        let ((tag, _), buffered) = self.buffer.pop_first()?;
        self.tenants.begun(buffered.flow.tenant, tag);
        Some(buffered.job)
    }

    /// Gives out more jobs of the same flow as the first, which `fit`, at most `most`.
    pub(super) fn pop_more(&mut self, flow: i64, most: usize, fit: impl Fn(&T) -> bool) -> Vec<T> {
        let places: Vec<_> = self
            .buffer
            .iter()
            .filter(|(_, buffered)| buffered.flow.id == flow && fit(&buffered.job))
            .map(|(place, _)| *place)
            .take(most)
            .collect();
        self.take(&places, |place| place.0)
    }

    /// Takes back every claimed job that has waited for `age` or longer.
    pub(super) fn take_stale(&mut self, age: Duration) -> Vec<T> {
        let places: Vec<_> = self
            .buffer
            .iter()
            .filter(|(_, buffered)| buffered.since.elapsed() >= age)
            .map(|(place, _)| *place)
            .collect();
        self.take(&places, |_| 0)
    }

    /// Takes jobs out of the buffer, each noted as begun at the time that `tag` makes of its place.
    fn take(&mut self, places: &[(Tag, u64)], tag: fn(&(Tag, u64)) -> Tag) -> Vec<T> {
        let mut jobs = Vec::with_capacity(places.len());
        for place in places {
            if let Some(buffered) = self.buffer.remove(place) {
                self.tenants.begun(buffered.flow.tenant, tag(place));
                jobs.push(buffered.job);
            }
        }
        jobs
    }

    /// How many jobs are claimed and not begun, or are being claimed.
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len() + self.claiming
    }

    /// Whether there may be anything to claim now.
    pub(super) fn is_idle(&self) -> bool {
        self.tenants.count() == 0
    }
}

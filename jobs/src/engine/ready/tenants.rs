//! Who is next: start-time fair queuing over tenants.
//!
//! Every job a tenant takes moves the tenant's tag on by one over its weight; the lowest tag goes
//! first. A tenant that comes back from idleness starts at the tag of whatever began last, so
//! rest saves up nothing and costs nothing. Source: Goyal, Vin, Cheng, "Start-time Fair Queuing",
//! SIGCOMM 1996.

use std::collections::{BTreeSet, HashMap};

use domain::TenantId;

/// What one job of a tenant of weight 1 moves its tag by.
const STEP: f64 = 1_048_576.0;

/// A place in the order of service; lower is earlier.
pub(super) type Tag = u64;

/// Whose a job is; the platform's own jobs are one tenant more.
pub(super) type Owner = Option<TenantId>;

/// The tags of the tenants of one lane.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    known: HashMap<Owner, Tenant>,
    /// Those with something to take, by tag.
    waiting: BTreeSet<(Tag, Owner)>,
    weights: HashMap<TenantId, f64>,
    /// The tag of whatever began last.
    now: Tag,
}

#[derive(Debug, Default)]
struct Tenant {
    tag: Tag,
    /// Flows that can be taken from, by priority, then by how long ago they were taken from.
    flows: BTreeSet<(i16, u64, i64)>,
    rounds: u64,
    /// Claimed and not begun.
    unstarted: usize,
}

impl Tenants {
    /// Lets a flow take part. It must not take part yet.
    pub(super) fn enter(&mut self, owner: Owner, priority: i16, flow: i64) {
        let now = self.now;
        let tenant = self.known.entry(owner).or_default();
        if tenant.flows.is_empty() {
            tenant.tag = tenant.tag.max(now);
            self.waiting.insert((tenant.tag, owner));
        }
        tenant.rounds += 1;
        tenant.flows.insert((priority, tenant.rounds, flow));
    }

    /// Takes a flow out.
    pub(super) fn leave(&mut self, owner: Owner, flow: i64) {
        let Some(tenant) = self.known.get_mut(&owner) else {
            return;
        };
        tenant.flows.retain(|(_, _, id)| *id != flow);
        if tenant.flows.is_empty() {
            self.waiting.remove(&(tenant.tag, owner));
        }
        self.forget(owner);
    }

    /// The tenants that can be taken from, in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Owner> + '_ {
        self.waiting.iter().map(|(_, owner)| *owner)
    }

    /// How many tenants can be taken from.
    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// The flow that is next within a tenant; the one after it is another of its priority.
    pub(super) fn next_flow(&mut self, owner: Owner) -> Option<i64> {
        let tenant = self.known.get_mut(&owner)?;
        let (priority, _, flow) = tenant.flows.pop_first()?;
        tenant.rounds += 1;
        tenant.flows.insert((priority, tenant.rounds, flow));
        Some(flow)
    }

    /// Charges a tenant for `jobs`; rerounds the tag of the first of them and the step between two.
    pub(super) fn charge(&mut self, owner: Owner, jobs: usize) -> (Tag, Tag) {
        let step = self.step(owner);
        let tenant = self.known.entry(owner).or_insert_with(|| Tenant {
            tag: self.now,
            ..Tenant::default()
        });
        let first = tenant.tag;
        let next = first.saturating_add(step.saturating_mul(jobs as u64));
        self.move_to(owner, next);
        (first, step)
    }

    /// Takes back what was charged for jobs that were not there.
    pub(super) fn refund(&mut self, owner: Owner, jobs: usize) {
        let back = self.step(owner).saturating_mul(jobs as u64);
        if let Some(tenant) = self.known.get(&owner) {
            let next = tenant.tag.saturating_sub(back);
            self.move_to(owner, next);
        }
    }

    fn move_to(&mut self, owner: Owner, tag: Tag) {
        let Some(tenant) = self.known.get_mut(&owner) else {
            return;
        };
        if self.waiting.remove(&(tenant.tag, owner)) {
            self.waiting.insert((tag, owner));
        }
        tenant.tag = tag;
    }

    fn step(&self, owner: Owner) -> Tag {
        let weight = owner.and_then(|tenant| self.weights.get(&tenant).copied());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "weights are positive and at most 1000"
        )]
        let step = (STEP / weight.unwrap_or(1.0)) as Tag;
        step.max(1)
    }

    /// Sets the shares; tenants that are not named have 1.
    pub(super) fn set_weights(&mut self, weights: HashMap<TenantId, f64>) {
        self.weights = weights;
    }

    /// How much of a tenant is claimed, or being claimed, and not begun.
    pub(super) fn unstarted(&self, owner: Owner) -> usize {
        self.known.get(&owner).map_or(0, |tenant| tenant.unstarted)
    }

    /// Notes that jobs of a tenant are claimed.
    pub(super) fn claimed(&mut self, owner: Owner, jobs: usize) {
        self.known.entry(owner).or_default().unstarted += jobs;
    }

    /// Notes that jobs of a tenant, which were noted as claimed, are not.
    pub(super) fn unclaimed(&mut self, owner: Owner, jobs: usize) {
        if let Some(tenant) = self.known.get_mut(&owner) {
            tenant.unstarted = tenant.unstarted.saturating_sub(jobs);
        }
        self.forget(owner);
    }

    /// Notes that a claimed job begins, or goes back.
    pub(super) fn begun(&mut self, owner: Owner, tag: Tag) {
        self.now = self.now.max(tag);
        if let Some(tenant) = self.known.get_mut(&owner) {
            tenant.unstarted = tenant.unstarted.saturating_sub(1);
        }
        self.forget(owner);
    }

    /// A tenant without work whose tag has been passed starts anew like one never seen.
    fn forget(&mut self, owner: Owner) {
        let is_idle = self.known.get(&owner).is_some_and(|tenant| {
            tenant.flows.is_empty() && tenant.unstarted == 0 && tenant.tag <= self.now
        });
        if is_idle {
            self.known.remove(&owner);
        }
    }
}

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::TenantId;
use proptest::prelude::*;

use super::{Flow, Ready, Took};
use crate::{Backoff, Job, KindInfo, Lane, Policy};

#[derive(serde::Serialize, serde::Deserialize)]
struct One;

impl Job for One {
    const KIND: &'static str = "one";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_secs(1),
        backoff: Backoff::Schedule(&[]),
    };
}

/// A table of jobs, which a lane claims from as the engine would.
#[derive(Default)]
struct Table {
    ready: Ready<i64>,
    flows: HashMap<i64, (Arc<Flow>, Vec<i64>)>,
    next: i64,
}

impl Table {
    fn flow(&mut self, tenant: TenantId, priority: i16) -> i64 {
        self.flow_of(KindInfo::of::<One>(), tenant, priority)
    }

    fn flow_of(&mut self, kind: KindInfo, tenant: TenantId, priority: i16) -> i64 {
        let id = i64::try_from(self.flows.len()).unwrap();
        let flow = Flow::new(id, kind, Some(tenant), priority, &[None, None]);
        self.flows.insert(id, (Arc::new(flow), Vec::new()));
        id
    }

    fn enqueue(&mut self, flow: i64, count: usize) {
        let (flow, jobs) = self.flows.get_mut(&flow).unwrap();
        for _ in 0..count {
            self.next += 1;
            jobs.push(self.next);
            self.ready.hear(flow, self.next);
        }
    }

    fn claim(&mut self, slots: usize, per_tenant: usize) -> usize {
        let now = Instant::now();
        let picks = self.ready.pick(slots, per_tenant, now);
        let mut got = 0;
        let picked: usize = picks.iter().map(|pick| pick.want).sum();
        assert!(picked <= slots);
        for pick in picks {
            let jobs = &mut self.flows.get_mut(&pick.flow.id).unwrap().1;
            assert!(
                jobs.iter().all(|job| *job >= pick.from_id),
                "a job was passed over"
            );
            let taken: Vec<i64> = jobs.drain(..pick.want.min(jobs.len())).collect();
            got += taken.len();
            let took = match taken.last() {
                Some(last) if taken.len() == pick.want => Took::All { last: *last },
                _ => Took::Drained,
            };
            self.ready.claimed(&pick, took, taken, now);
        }
        self.ready.adapt(picked, got);
        got
    }
}

fn owner(job: i64, owners: &[(std::ops::Range<i64>, TenantId)]) -> TenantId {
    owners
        .iter()
        .find(|(range, _)| range.contains(&job))
        .unwrap()
        .1
}

/// Enqueues for several tenants and returns which numbers are whose.
fn backlog(table: &mut Table, sizes: &[usize]) -> Vec<(std::ops::Range<i64>, TenantId)> {
    sizes
        .iter()
        .map(|size| {
            let tenant = TenantId::new();
            let flow = table.flow(tenant, 0);
            let first = table.next + 1;
            table.enqueue(flow, *size);
            (first..table.next + 1, tenant)
        })
        .collect()
}

#[test]
fn tenants_with_a_backlog_get_equal_service() {
    let mut table = Table::default();
    let owners = backlog(&mut table, &[10_000, 200, 200, 200]);
    let mut served: HashMap<TenantId, usize> = HashMap::new();
    for _ in 0..50 {
        table.claim(16, 500);
        while let Some(job) = table.ready.pop() {
            *served.entry(owner(job, &owners)).or_default() += 1;
        }
    }
    // 800 slots for four: 200 each.
    assert!(
        served.values().all(|count| count.abs_diff(200) <= 16),
        "{served:?}"
    );
}

#[test]
fn a_weight_is_a_share() {
    let mut table = Table::default();
    let owners = backlog(&mut table, &[10_000, 10_000]);
    table.ready.limits_set(HashMap::from([(owners[0].1, 3.0)]));
    let mut served: HashMap<TenantId, usize> = HashMap::new();
    for _ in 0..100 {
        table.claim(16, 500);
        while let Some(job) = table.ready.pop() {
            *served.entry(owner(job, &owners)).or_default() += 1;
        }
    }
    let (heavy, light) = (served[&owners[0].1], served[&owners[1].1]);
    assert!(heavy.abs_diff(light * 3) <= 60, "{heavy} {light}");
}

#[test]
fn who_comes_late_goes_before_a_whales_claimed_jobs() {
    let mut table = Table::default();
    backlog(&mut table, &[10_000]);
    table.claim(100, 500);
    for _ in 0..10 {
        table.ready.pop().unwrap();
    }
    let late = backlog(&mut table, &[1]);
    table.claim(10, 500);
    let next = [table.ready.pop().unwrap(), table.ready.pop().unwrap()];
    assert!(next.contains(&late[0].0.start), "{next:?}");
}

#[test]
fn a_tenant_holds_no_more_unbegun_than_it_may() {
    let mut table = Table::default();
    backlog(&mut table, &[1000, 5]);
    assert_eq!(table.claim(100, 20), 25);
    assert_eq!(table.claim(100, 20), 0);
    for _ in 0..25 {
        table.ready.pop().unwrap();
    }
    assert_eq!(table.claim(100, 20), 20);
}

#[test]
fn lower_priority_numbers_go_first_within_a_tenant() {
    let mut table = Table::default();
    let tenant = TenantId::new();
    let (late, early) = (table.flow(tenant, 5), table.flow(tenant, -1));
    table.enqueue(late, 10);
    table.enqueue(early, 10);
    table.claim(10, 500);
    let first: Vec<i64> = std::iter::from_fn(|| table.ready.pop()).collect();
    assert_eq!(first, (11..=20).collect::<Vec<_>>());
}

#[test]
fn a_limited_flow_is_left_alone_until_its_time_or_until_there_is_room() {
    let mut table = Table::default();
    backlog(&mut table, &[10]);
    let now = Instant::now();
    let until = now + Duration::from_mins(1);
    let picks = table.ready.pick(5, 500, now);
    let limited = Took::Limited { limit: 7, until };
    table.ready.claimed(&picks[0], limited, vec![1, 2], now);
    assert!(table.ready.pick(5, 500, now).is_empty());
    assert_eq!(table.ready.next_try(), Some(until));
    assert!(!table.ready.room(8));
    assert!(table.ready.room(7));
    let picks = table.ready.pick(5, 500, now);
    table.ready.claimed(&picks[0], limited, vec![3], now);
    assert_eq!(
        table.ready.pick(5, 500, until).len(),
        1,
        "its time has come"
    );
}

#[test]
fn what_was_heard_during_a_claim_is_not_forgotten() {
    let mut table = Table::default();
    let flow = table.flow(TenantId::new(), 0);
    table.enqueue(flow, 1);
    let now = Instant::now();
    let picks = table.ready.pick(5, 500, now);
    table.enqueue(flow, 1);
    table.ready.claimed(&picks[0], Took::Drained, vec![1], now);
    let again = table.ready.pick(5, 500, now);
    assert_eq!(again[0].from_id, 2);
}

#[test]
fn two_claims_of_a_flow_count_together_and_the_later_one_says_what_is_left() {
    let mut table = Table::default();
    let flow = table.flow(TenantId::new(), 0);
    table.enqueue(flow, 9);
    let now = Instant::now();
    let first = table.ready.pick(5, 6, now).remove(0);
    let second = table.ready.pick(5, 6, now).remove(0);
    assert_eq!((first.want, second.want), (5, 1), "six in all");
    assert_eq!(table.ready.buffered(), 6);
    // The second locked what the first looked for in vain.
    table.ready.claimed(&first, Took::Drained, vec![1, 2], now);
    assert!(!table.ready.is_idle(), "the second has not answered");
    table
        .ready
        .claimed(&second, Took::All { last: 3 }, vec![3], now);
    assert_eq!(table.ready.buffered(), 3);
    assert_eq!(table.ready.pick(5, 6, now)[0].from_id, 4);
}

#[test]
fn a_claim_that_failed_is_looked_for_anew_though_another_one_found_nothing() {
    let mut table = Table::default();
    let flow = table.flow(TenantId::new(), 0);
    table.enqueue(flow, 2);
    let now = Instant::now();
    let first = table.ready.pick(5, 500, now).remove(0);
    let second = table.ready.pick(5, 500, now).remove(0);
    table.ready.claimed(&second, Took::Drained, Vec::new(), now);
    assert!(table.ready.is_idle());
    table.ready.claimed(&first, Took::Unknown, Vec::new(), now);
    assert_eq!(table.ready.pick(5, 500, now)[0].from_id, 1);
    assert_eq!(table.ready.buffered(), 5);
}

/// A kind whose jobs gather.
fn gathering() -> KindInfo {
    KindInfo {
        batch: 4,
        gather: Duration::from_millis(50),
        ..KindInfo::of::<One>()
    }
}

#[test]
fn jobs_gather_after_one_that_was_claimed_at_once() {
    let mut table = Table::default();
    let flow = table.flow_of(gathering(), TenantId::new(), 0);
    let now = Instant::now();
    table.enqueue(flow, 1);
    let first = table.ready.pick(5, 500, now).remove(0);
    table.ready.claimed(&first, Took::Drained, vec![1], now);
    table.enqueue(flow, 2);
    assert!(table.ready.pick(5, 500, now).is_empty(), "they gather");
    let then = table.ready.next_try().unwrap();
    assert_eq!(then, now + gathering().gather);
    let second = table.ready.pick(5, 500, then).remove(0);
    assert_eq!(second.from_id, 2);
    table
        .ready
        .claimed(&second, Took::Drained, vec![2, 3], then);
    // Nothing has come meanwhile, and the flow is as if it were new.
    let later = then + gathering().gather;
    assert!(table.ready.pick(5, 500, later).is_empty());
    table.enqueue(flow, 1);
    assert_eq!(table.ready.pick(5, 500, later)[0].from_id, 4);
}

#[test]
fn what_is_heard_of_while_a_claim_of_a_gathering_flow_is_underway_waits_its_time() {
    let mut table = Table::default();
    let flow = table.flow_of(gathering(), TenantId::new(), 0);
    let now = Instant::now();
    table.enqueue(flow, 1);
    let first = table.ready.pick(5, 500, now).remove(0);
    table.enqueue(flow, 1);
    table.ready.claimed(&first, Took::Drained, vec![1], now);
    assert!(table.ready.pick(5, 500, now).is_empty());
    let then = now + gathering().gather;
    assert_eq!(table.ready.pick(5, 500, then)[0].from_id, 2);
}

#[test]
fn a_backlog_does_not_gather() {
    let mut table = Table::default();
    let flow = table.flow_of(gathering(), TenantId::new(), 0);
    let now = Instant::now();
    table.enqueue(flow, 100);
    let first = table.ready.pick(1, 500, now).remove(0);
    assert_eq!(first.want, 4);
    let took = Took::All { last: 4 };
    table.ready.claimed(&first, took, vec![1, 2, 3, 4], now);
    assert_eq!(table.ready.pick(1, 500, now)[0].from_id, 5);
}

proptest! {
    #[test]
    fn every_job_is_claimed_once_and_nobody_waits_for_a_free_slot(
        sizes in prop::collection::vec(0_usize..60, 1..12),
        slots in 1_usize..40,
        late in prop::collection::vec((0_usize..12, 1_usize..20), 0..8),
    ) {
        let mut table = Table::default();
        backlog(&mut table, &sizes);
        let mut late = late.into_iter();
        let mut seen = Vec::new();
        for _ in 0..2000 {
            if let Some((who, count)) = late.next() {
                let flow = i64::try_from(who % sizes.len()).unwrap();
                table.enqueue(flow, count);
            }
            table.claim(slots, 500);
            while let Some(job) = table.ready.pop() {
                seen.push(job);
            }
            if table.flows.values().all(|(_, jobs)| jobs.is_empty()) {
                break;
            }
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (1..=table.next).collect::<Vec<_>>());
    }

    #[test]
    fn no_tenant_falls_behind_another_while_both_have_work(
        tenants in 2_usize..10, slots in 1_usize..64, rounds in 5_usize..40,
    ) {
        let mut table = Table::default();
        let owners = backlog(&mut table, &vec![5000; tenants]);
        let mut served: HashMap<TenantId, usize> = HashMap::new();
        for _ in 0..rounds {
            table.claim(slots, 500);
            while let Some(job) = table.ready.pop() {
                *served.entry(owner(job, &owners)).or_default() += 1;
            }
        }
        let most = served.values().max().copied().unwrap_or(0);
        let least = owners.iter().map(|(_, t)| served.get(t).copied().unwrap_or(0)).min().unwrap();
        // Two rounds apart at most, of as many jobs as a round has.
        prop_assert!(most - least <= 2 * (slots / 32).max(1), "{most} {least}");
    }
}

//! What a run does, drawn from its seed: which jobs are enqueued when, and which faults happen.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use super::faults::Fault;
use crate::kinds::{Does, Kind, Work};

/// Ordering keys.
const KEYS: u32 = 12;

/// Tenants, beside the jobs of none.
const TENANTS: u128 = 5;

/// The most jobs of one transaction.
const AT_A_TIME: usize = 40;

/// A job to enqueue.
#[derive(Clone, Debug)]
pub(crate) struct PlannedJob {
    pub(crate) kind: Kind,
    pub(crate) work: Work,
    /// How long after it was enqueued it is cancelled.
    pub(crate) cancel_after: Option<Duration>,
}

/// Jobs of one transaction.
#[derive(Clone, Debug)]
pub(crate) struct PlannedBatch {
    /// When, from the beginning of the run.
    pub(crate) at: Duration,
    pub(crate) jobs: Vec<PlannedJob>,
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedFault {
    /// When, from the beginning of the run.
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    /// The number of the worker it hits.
    pub(crate) seat: usize,
    /// How long it lasts.
    pub(crate) length: Duration,
}

/// The plan of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) batches: Vec<PlannedBatch>,
    pub(crate) faults: Vec<PlannedFault>,
}

impl Plan {
    /// Draws a plan of `jobs` jobs and `faults` faults out of `possible`, each as often as the others.
    pub(crate) fn draw(
        seed: u64,
        jobs: usize,
        faults: usize,
        possible: &[Fault],
        seats: usize,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let faults = draw_faults(&mut rng, faults, possible, seats);
        let ends = faults.iter().map(|it| it.at + it.length);
        let length = ends.max().unwrap_or(Duration::from_secs(3));
        let batches = draw_batches(&mut rng, jobs, length);
        Self { batches, faults }
    }
}

fn draw_faults(
    rng: &mut StdRng,
    count: usize,
    possible: &[Fault],
    seats: usize,
) -> Vec<PlannedFault> {
    let mut drawn: Vec<Fault> = possible.iter().copied().cycle().take(count).collect();
    drawn.shuffle(rng);
    let mut at = Duration::from_secs(1);
    // There is one pause at a time.
    let mut unpaused_at = at;
    drawn
        .into_iter()
        .map(|fault| {
            let mut planned = PlannedFault {
                at,
                fault,
                seat: rng.random_range(0..seats),
                length: Duration::from_millis(rng.random_range(fault.lengths_ms())),
            };
            if fault == Fault::Pause {
                planned.at = at.max(unpaused_at);
                unpaused_at = planned.at + planned.length;
            }
            at += Duration::from_millis(rng.random_range(300..2200));
            planned
        })
        .collect()
}

fn draw_batches(rng: &mut StdRng, count: usize, length: Duration) -> Vec<PlannedBatch> {
    let mut batches = Vec::new();
    let mut n = 0;
    while n < count {
        let size = rng.random_range(1..=AT_A_TIME).min(count - n);
        let jobs = (n..n + size)
            .map(|n| draw_job(rng, i64::try_from(n).unwrap_or(0)))
            .collect();
        // Never evenly: there are crowds and lulls.
        let at = length.mul_f64(rng.random_range(0.0..0.97));
        batches.push(PlannedBatch { at, jobs });
        n += size;
    }
    batches.sort_by_key(|batch| batch.at);
    batches
}

fn draw_job(rng: &mut StdRng, n: i64) -> PlannedJob {
    const KINDS: [(Kind, u32); 8] = [
        (Kind::Plain, 37),
        (Kind::Brief, 3),
        (Kind::Hasty, 2),
        (Kind::Keyed, 22),
        (Kind::Narrow, 12),
        (Kind::Rated, 8),
        (Kind::Grouped, 12),
        (Kind::Novel, 4),
    ];
    let kind = KINDS
        .choose_weighted(rng, |(_, weight)| *weight)
        .map_or(Kind::Plain, |it| it.0);
    let does = draw_deed(rng, kind);
    let mut cancel_after = None;
    let mut delay_ms = 0;
    if does == Does::AwaitCancel || (kind == Kind::Plain && rng.random_bool(0.03)) {
        cancel_after = Some(Duration::from_millis(rng.random_range(0..1500)));
    }
    if rng.random_bool(0.12) {
        delay_ms = rng.random_range(50..1500);
    }
    if kind == Kind::Plain && rng.random_bool(0.04) {
        // Surely cancelled while it waits, however slow the machine is.
        cancel_after = Some(Duration::from_millis(rng.random_range(0..300)));
        delay_ms = rng.random_range(2000..3000);
    }
    let tenant = rng.random_range(0..=TENANTS);
    let key = format!("key-{}", rng.random_range(0..KEYS));
    let endpoint = ["endpoint:a", "endpoint:b"]
        .choose(rng)
        .map(|it| (*it).to_owned());
    PlannedJob {
        kind,
        work: Work {
            n,
            does,
            tenant: (tenant > 0).then(|| Uuid::from_u128(tenant)),
            key: (kind == Kind::Keyed).then_some(key),
            endpoint: endpoint.filter(|_| kind == Kind::Narrow),
            delay_ms,
        },
        cancel_after,
    }
}

fn draw_deed(rng: &mut StdRng, kind: Kind) -> Does {
    let slow = Does::Slow {
        ms: rng.random_range(5..80),
    };
    let times = rng.random_range(1..=2);
    let of_a_hundred = rng.random_range(0..100);
    match kind {
        Kind::Hasty => Does::Hang,
        Kind::Narrow => slow,
        Kind::Rated | Kind::Novel => Does::Succeed,
        // Begins again before and after its deadline.
        Kind::Brief => Does::FailThenSucceed { times: times * 2 },
        Kind::Keyed => match of_a_hundred {
            0..60 => Does::Succeed,
            60..88 => slow,
            88..97 => Does::FailThenSucceed { times },
            97..99 => Does::FailAlways,
            _ => Does::GiveUp,
        },
        Kind::Grouped => match of_a_hundred {
            0..90 => Does::Succeed,
            90..96 => Does::FailThenSucceed { times },
            _ => Does::Panic { times },
        },
        Kind::Plain => match of_a_hundred {
            0..39 => Does::Succeed,
            39..45 | 89..93 => Does::Relay,
            45..63 => slow,
            63..76 => Does::FailThenSucceed { times },
            76..80 => Does::FailAlways,
            80..86 => Does::Panic { times },
            86..89 => Does::Snooze {
                times: times.into(),
            },
            93..96 => Does::GiveUp,
            _ => Does::AwaitCancel,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_a_plan_and_every_fault_has_its_share() {
        let draw = |seed| Plan::draw(seed, 500, 36, Fault::ALL, 4);
        assert_eq!(format!("{:?}", draw(7)), format!("{:?}", draw(7)));
        assert_ne!(format!("{:?}", draw(7)), format!("{:?}", draw(8)));
        let plan = draw(7);
        assert_eq!(
            plan.batches
                .iter()
                .map(|batch| batch.jobs.len())
                .sum::<usize>(),
            500
        );
        for fault in Fault::ALL {
            let share = plan.faults.iter().filter(|it| it.fault == *fault).count();
            assert!(share >= 36 / Fault::ALL.len(), "{fault:?}: {share}");
        }
    }
}

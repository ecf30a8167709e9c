use std::time::Duration;

/// How much the suite measures: the short form fits into six minutes on two cores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Rounds of each measure; the medians count.
    pub(super) rounds: usize,
    /// Rounds of measures and peers that take long.
    pub(super) slow_rounds: usize,
    /// Jobs of one round of throughput.
    pub(super) jobs: usize,
    /// Jobs of the whale, and of each of the 999 tenants beside it.
    pub(super) whale: (usize, usize),
    /// Jobs of the whale that small tenants wait beside, and theirs.
    pub(super) beside_whale: (usize, usize),
    /// Jobs over the ordering keys, and of the hot key beside them.
    pub(super) keyed: (usize, usize),
    /// Jobs of one round of pick-up.
    pub(super) pickups: usize,
    /// How long clients enqueue.
    pub(super) enqueueing: Duration,
    /// How long the tables are watched, and what of it is the warm-up.
    pub(super) watched: (Duration, Duration),
    /// Jobs that are ready, and as many that are scheduled.
    pub(super) backlog: usize,
}

impl Size {
    /// The short form: a half to a twentieth of the long one.
    pub(super) const SHORT: Self = Self {
        rounds: 5,
        slow_rounds: 3,
        jobs: 100_000,
        whale: (80_000, 20),
        beside_whale: (12_000, 120),
        keyed: (20_000, 10_000),
        pickups: 300,
        enqueueing: Duration::from_secs(1),
        watched: (Duration::from_secs(30), Duration::from_secs(8)),
        backlog: 100_000,
    };
    /// The long form.
    pub(super) const FULL: Self = Self {
        rounds: 5,
        slow_rounds: 5,
        jobs: 200_000,
        whale: (400_000, 100),
        beside_whale: (200_000, 2_000),
        keyed: (100_000, 100_000),
        pickups: 3_000,
        enqueueing: Duration::from_secs(10),
        watched: (Duration::from_mins(30), Duration::from_mins(5)),
        backlog: 1_000_000,
    };
}

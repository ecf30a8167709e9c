use std::time::Duration;

use domain::TenantId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Policy;

/// A kind of work: its payload, and how it wants to be run.
///
/// Payloads hold ids, not data, and stay readable for as long as a job of theirs may wait: add
/// fields with defaults, never rename one.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name in the database, logs and API. Never changes.
    const KIND: &'static str;
    /// Who waits for it.
    const LANE: Lane;
    /// Attempts, time and backoff.
    const POLICY: Policy;
    /// How long after it was due it may still begin or run; later it is dead as `expired`. A run of
    /// several goes on as long as the one that may take longest. `None`: for ever.
    const DEADLINE: Option<Duration> = None;
    /// The most jobs of one flow that one run of a batch handler takes; 1: one at a time.
    const BATCH: usize = 1;
    /// How long a process lets jobs of one flow gather before it claims of the flow again, where the
    /// last claim took all there were: what comes one by one is run in batches. One that finds the
    /// flow at rest is claimed at once, a backlog as fast as ever. Zero: no time.
    const GATHER: Duration = Duration::ZERO;
    /// How long a running handler may go on after its job was cancelled; then it is dropped.
    const CANCEL_GRACE: Duration = Duration::from_secs(10);

    /// What is particular to this one job.
    fn options(&self) -> Options {
        Options::default()
    }
}

/// Who waits for a job: each lane has worker slots of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A customer waits, and it is done in no time.
    Interactive,
    /// A customer waits for a model, which takes its time.
    Answers,
    /// Nobody waits for any single one.
    Bulk,
}

impl Lane {
    /// All, in the order of urgency.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Answers, Self::Bulk];

    /// The lane with a number of the database.
    pub(crate) const fn of_number(number: i16) -> Self {
        match number {
            0 => Self::Interactive,
            2 => Self::Answers,
            _ => Self::Bulk,
        }
    }

    /// The number in the database.
    pub const fn number(self) -> i16 {
        match self {
            Self::Interactive => 0,
            Self::Answers => 2,
            Self::Bulk => 1,
        }
    }

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Answers => "answers",
            Self::Bulk => "bulk",
        }
    }
}

/// What is particular to one job; everything is optional.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whose job it is; `None`: the platform's.
    pub tenant: Option<TenantId>,
    /// Jobs of one (kind, key) run one at a time, in the order they were enqueued.
    pub ordering_key: Option<String>,
    /// Keeps a second one out.
    pub unique: Option<Unique>,
    /// Not before this much later.
    pub delay: Duration,
    /// Lower runs first among the jobs of its tenant; 0 is normal.
    pub priority: i16,
    /// Up to two limits to respect beside those on its tenant and kind, such as `endpoint:<id>`.
    pub limit_keys: [Option<String>; 2],
}

/// At most one job of a kind with this key.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The key, unique within the kind.
    pub key: String,
    /// For how long it keeps others out.
    pub until: Until,
    /// What a second one does to the first.
    pub on_duplicate: OnDuplicate,
}

/// How long a unique key keeps others out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until a worker takes it: work that comes up during the run is not missed.
    Started,
    /// Until it is done or dead.
    Ended,
}

/// What a second job with the same unique key does to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDuplicate {
    /// Nothing.
    Keep,
    /// Delays it anew by the second one's delay, but never beyond `max_wait` after it was enqueued.
    Push {
        /// The longest it may be pushed.
        max_wait: Duration,
    },
}

/// What the engine has to know of a kind it may claim.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// The kind's name.
    pub name: &'static str,
    /// Its lane.
    pub lane: Lane,
    /// Its policy.
    pub policy: Policy,
    /// The most jobs of one run.
    pub batch: usize,
    /// How long jobs of a flow gather between two claims.
    pub gather: Duration,
    /// How long a cancelled handler may go on.
    pub cancel_grace: Duration,
}

impl KindInfo {
    /// Those of `J`.
    pub const fn of<J: Job>() -> Self {
        Self {
            name: J::KIND,
            lane: J::LANE,
            policy: J::POLICY,
            batch: if J::BATCH == 0 { 1 } else { J::BATCH },
            gather: J::GATHER,
            cancel_grace: J::CANCEL_GRACE,
        }
    }
}

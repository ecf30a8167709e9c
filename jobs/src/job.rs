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

    /// What is particular to this one job.
    fn options(&self) -> Options {
        Options::default()
    }
}

/// Who waits for a job: each lane has worker slots of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A customer waits.
    Interactive,
    /// Nobody waits for any single one.
    Bulk,
}

impl Lane {
    /// Both, in the order of urgency.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];

    /// The number in the database.
    pub const fn number(self) -> i16 {
        match self {
            Self::Interactive => 0,
            Self::Bulk => 1,
        }
    }

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
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
    /// Lower runs first; 0 is normal.
    pub priority: i16,
    /// Up to two limits to respect.
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
    /// Its policy.
    pub policy: Policy,
}

impl KindInfo {
    /// Those of `J`.
    pub const fn of<J: Job>() -> Self {
        Self {
            name: J::KIND,
            policy: J::POLICY,
        }
    }
}

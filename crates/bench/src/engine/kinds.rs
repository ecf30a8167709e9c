use std::time::Duration;

use jobs::{Backoff, Job, Lane, Options, Policy};
use serde::{Deserialize, Serialize};

const POLICY: Policy = Policy {
    max_attempts: 3,
    timeout: Duration::from_secs(10),
    backoff: Backoff::Exponential {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(1),
    },
};

/// A job that does nothing; nobody waits for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Noop {
    /// Tells one from another.
    pub(super) n: usize,
}

impl Job for Noop {
    const KIND: &'static str = "bench-noop";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = POLICY;
}

/// A job that does nothing, in order with the others of its key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Keyed {
    /// Tells one key from another.
    pub(super) key: usize,
}

impl Job for Keyed {
    const KIND: &'static str = "bench-keyed";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = POLICY;

    fn options(&self) -> Options {
        Options {
            ordering_key: Some(format!("key-{}", self.key)),
            ..Options::default()
        }
    }
}

/// A job that somebody waits for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pickup {
    /// Its place in the measure.
    pub(super) n: usize,
}

impl Job for Pickup {
    const KIND: &'static str = "bench-pickup";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = POLICY;
}

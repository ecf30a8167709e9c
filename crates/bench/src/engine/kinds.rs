use std::time::Duration;

use domain::TenantId;
use jobs::{Backoff, Job, Lane, Options, Policy};
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;

const POLICY: Policy = Policy {
    max_attempts: 3,
    timeout: Duration::from_secs(10),
    backoff: Backoff::Exponential {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(1),
    },
};

/// A job of nobody, that nobody waits for.
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

/// A job of a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Owned {
    /// Its place among those that are timed; `None`: it is not.
    pub(super) n: Option<usize>,
    /// The number of the tenant.
    pub(super) tenant: u32,
    /// How long it waits to become due, in seconds.
    #[serde(default)]
    pub(super) delay_secs: u64,
}

impl Owned {
    /// A job of a tenant that is not timed.
    pub(super) const fn of(tenant: u32) -> Self {
        Self {
            n: None,
            tenant,
            delay_secs: 0,
        }
    }
}

impl Job for Owned {
    const KIND: &'static str = "bench-owned";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = POLICY;

    fn options(&self) -> Options {
        Options {
            tenant: Some(tenant(self.tenant)),
            delay: Duration::from_secs(self.delay_secs),
            ..Options::default()
        }
    }
}

/// A job in order with the others of its key, under the limits of its tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Keyed {
    /// Its place among those that are timed; `None`: it is not.
    pub(super) n: Option<usize>,
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
            limit_keys: [Some(super::limits::KEY.to_owned()), None],
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

/// The same tenant for the same number.
fn tenant(number: u32) -> TenantId {
    Uuid::from_u128(u128::from(number) + 1).into()
}

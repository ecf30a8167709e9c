use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Policy};

/// Finds the tenants whose providers of models nobody has looked at for a while, and enqueues a
/// `check-accounts` for each.
///
/// Idempotent: finding a tenant notes that it is looked at, so that a second run finds others.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct CheckProviders {}

impl Job for CheckProviders {
    const KIND: &'static str = "check-providers";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_mins(2),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(5),
            cap: Duration::from_mins(1),
        },
    };
}

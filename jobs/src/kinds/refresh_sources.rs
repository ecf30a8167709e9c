use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Policy};

/// Finds the addresses that are due to be looked at again, and enqueues a `fetch-source` for each.
///
/// Idempotent: finding an address puts its next time off, so that a second run finds others.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RefreshSources {}

impl Job for RefreshSources {
    const KIND: &'static str = "refresh-sources";
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

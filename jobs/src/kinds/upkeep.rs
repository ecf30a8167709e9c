use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Policy};

/// Makes the coming days' partitions and lets go of what is only kept for a while.
///
/// Idempotent: what is made is there and what is let go is gone, so that a second run finds nothing
/// to do.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Upkeep {}

impl Job for Upkeep {
    const KIND: &'static str = "upkeep";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 5,
        timeout: Duration::from_mins(10),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(30),
            cap: Duration::from_mins(10),
        },
    };
}

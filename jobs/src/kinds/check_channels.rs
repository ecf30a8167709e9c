use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Policy};

/// Finds the channels that nobody has looked at for a while, and enqueues a `check-channel` for each.
///
/// Idempotent: finding a channel notes that it is looked at, so that a second run finds others.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct CheckChannels {}

impl Job for CheckChannels {
    const KIND: &'static str = "check-channels";
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

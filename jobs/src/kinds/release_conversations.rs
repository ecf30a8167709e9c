use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Policy};

/// Gives conversations back to the machine in which no person wrote for as long as their tenant
/// allows.
///
/// Idempotent: what is given back is not due any more, so that a second run finds nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ReleaseConversations {}

impl Job for ReleaseConversations {
    const KIND: &'static str = "release-conversations";
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

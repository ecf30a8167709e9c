use std::time::Duration;

use domain::{ChannelId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Looks whether a channel works: whether its credentials count and its operator posts to us.
///
/// Idempotent: it notes what it finds, and asks to be posted to only where that is not so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckChannel {
    /// Whose channel it is.
    pub tenant_id: TenantId,
    /// The channel.
    pub channel_id: ChannelId,
}

impl Job for CheckChannel {
    const KIND: &'static str = "check-channel";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_mins(2),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(10),
            cap: Duration::from_mins(5),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: self.channel_id.to_string(),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

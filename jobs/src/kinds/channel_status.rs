use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{RawItemId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Options, Policy};

/// Applies what a channel reported about a message of ours: sent, delivered, read, failed.
///
/// Idempotent, and needs no order: statuses only move forward.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Whose channel reported it.
    pub tenant_id: TenantId,
    /// The item.
    pub raw_item_id: RawItemId,
    /// When the item came, which names its partition.
    pub received_at: DateTime<Utc>,
}

impl Job for ChannelStatus {
    const KIND: &'static str = "channel-status";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 10,
        timeout: Duration::from_secs(30),
        backoff: Backoff::Exponential {
            base: Duration::from_millis(500),
            cap: Duration::from_mins(1),
        },
    };

    /// An answer brings three reports, each in a post of its own. Nobody waits for one.
    const BATCH: usize = 64;
    const GATHER: Duration = Duration::from_millis(50);

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            ..Options::default()
        }
    }
}

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{RawItemId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Options, Policy};

/// Turns one raw item into a message of a conversation. It never waits for a model.
///
/// Idempotent by the message's UNIQUE (channel, external id).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InboundMessage {
    /// Whose channel received it.
    pub tenant_id: TenantId,
    /// The item.
    pub raw_item_id: RawItemId,
    /// When the item came, which names its partition.
    pub received_at: DateTime<Utc>,
    /// Channel and contact: what one person writes is stored in order.
    pub contact_key: String,
}

impl Job for InboundMessage {
    const KIND: &'static str = "inbound-message";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 10,
        timeout: Duration::from_secs(30),
        backoff: Backoff::Exponential {
            base: Duration::from_millis(500),
            cap: Duration::from_mins(1),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            ordering_key: Some(self.contact_key.clone()),
            ..Options::default()
        }
    }
}

use std::time::Duration;

use domain::{DeliveryId, EndpointId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Options, Policy};

/// The waits between attempts, in total about 27 hours. Source: Standard Webhooks 1.0.0, which
/// recommends retries over days.
const SCHEDULE: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];

/// Posts one event to one endpoint of a tenant.
///
/// At least once: receivers tell repeats by `webhook-id`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliverWebhook {
    /// Whose endpoint it is.
    pub tenant_id: TenantId,
    /// The endpoint, which has limits of its own.
    pub endpoint_id: EndpointId,
    /// The delivery.
    pub delivery_id: DeliveryId,
}

impl Job for DeliverWebhook {
    const KIND: &'static str = "deliver-webhook";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 8,
        timeout: Duration::from_secs(30),
        backoff: Backoff::Schedule(SCHEDULE),
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            limit_keys: [Some(format!("endpoint:{}", self.endpoint_id)), None],
            ..Options::default()
        }
    }
}

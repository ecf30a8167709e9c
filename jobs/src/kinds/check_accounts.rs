use std::time::Duration;

use domain::TenantId;
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Looks whether a tenant's accounts at providers of models work, those that do badly or that nobody
/// called for long, by requests that cost nothing.
///
/// Idempotent: it notes what it finds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckAccounts {
    /// Whose accounts they are.
    pub tenant_id: TenantId,
}

impl Job for CheckAccounts {
    const KIND: &'static str = "check-accounts";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_mins(2),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(10),
            cap: Duration::from_mins(1),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: self.tenant_id.to_string(),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

use std::time::Duration;

use domain::TenantId;
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Tends what a tenant's searches read: merges segments of the keyword index, fills or clears the
/// index of vectors, begins a set for another model, and lets go of retired ones.
///
/// Idempotent: each step looks at what is there, and a second run finds nothing to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TendIndex {
    /// Whose indexes.
    pub tenant_id: TenantId,
}

impl Job for TendIndex {
    const KIND: &'static str = "tend-index";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 8,
        timeout: Duration::from_mins(15),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(5),
            cap: Duration::from_mins(10),
        },
    };

    fn options(&self) -> Options {
        let tenant = self.tenant_id.to_string();
        Options {
            tenant: Some(self.tenant_id),
            ordering_key: Some(tenant.clone()),
            // Many documents may be switched before it comes to run: one look is enough for all.
            unique: Some(Unique {
                key: tenant,
                until: Until::Started,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

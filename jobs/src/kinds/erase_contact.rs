use std::time::Duration;

use domain::{ContactId, ErasureId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Erases everything kept about a contact, and notes how much it was.
///
/// Idempotent: all of it happens in one transaction, and a contact that is gone leaves nothing to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EraseContact {
    /// Whose contact it is.
    pub tenant_id: TenantId,
    /// The contact.
    pub contact_id: ContactId,
    /// Where it is noted.
    pub erasure_id: ErasureId,
}

impl Job for EraseContact {
    const KIND: &'static str = "erase-contact";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 20,
        timeout: Duration::from_mins(10),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(5),
            cap: Duration::from_hours(1),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: self.erasure_id.to_string(),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

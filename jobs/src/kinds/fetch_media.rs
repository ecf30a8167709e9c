use std::time::Duration;

use domain::{MessageFileId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Fetches a file that a contact sent from the channel's operator, which keeps it for a while only.
///
/// Idempotent: a file that is here is not fetched again, and only one of two that were fetched at
/// the same time is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FetchMedia {
    /// Whose file it is.
    pub tenant_id: TenantId,
    /// The file.
    pub file_id: MessageFileId,
}

impl Job for FetchMedia {
    const KIND: &'static str = "fetch-media";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        // The operator keeps a file for days: the last try comes after more than one.
        max_attempts: 10,
        timeout: Duration::from_mins(5),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(2),
            cap: Duration::from_hours(6),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: self.file_id.to_string(),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

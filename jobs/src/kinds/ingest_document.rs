use std::time::Duration;

use domain::{DocumentId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Reads an uploaded file and cuts it into chunks, whose embedding it enqueues as they come.
///
/// Idempotent: it writes a version of its own, of which nothing is seen before it is whole, leaves
/// nothing of an earlier try, and does nothing once the version is seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IngestDocument {
    /// Whose document it is.
    pub tenant_id: TenantId,
    /// The document.
    pub document_id: DocumentId,
    /// The version to make.
    pub version: i32,
}

impl Job for IngestDocument {
    const KIND: &'static str = "ingest-document";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_mins(15),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(2),
            cap: Duration::from_mins(1),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: format!("{}:{}", self.document_id, self.version),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

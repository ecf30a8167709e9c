use std::time::Duration;

use domain::{DocumentId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Asks a document's address for its content, and has it indexed if it changed.
///
/// Idempotent: content that is stored already is known by its hash, and a version is only indexed
/// once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FetchSource {
    /// Whose document it is.
    pub tenant_id: TenantId,
    /// The document.
    pub document_id: DocumentId,
    /// The version that somebody asked for, which is made whether the content changed or not;
    /// `None`: a look whether it did.
    #[serde(default)]
    pub version: Option<i32>,
}

impl Job for FetchSource {
    const KIND: &'static str = "fetch-source";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 5,
        timeout: Duration::from_mins(3),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(5),
            cap: Duration::from_mins(10),
        },
    };

    fn options(&self) -> Options {
        let version = self.version.unwrap_or(0);
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: format!("{}:{version}", self.document_id),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

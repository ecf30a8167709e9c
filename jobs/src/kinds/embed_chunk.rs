use std::time::Duration;

use domain::{DocumentId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Options, Policy};

/// Embeds a run of chunks of one document version; the last run makes the version visible.
///
/// Idempotent: embedding a chunk again writes the same vector, and only one switch of a version
/// finds it unfinished.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmbedChunk {
    /// Whose document it is.
    pub tenant_id: TenantId,
    /// The document.
    pub document_id: DocumentId,
    /// The version being made.
    pub version: i32,
    /// The ordinal of the first chunk of the run.
    pub first: i32,
    /// How many chunks the run has.
    pub count: i32,
}

impl Job for EmbedChunk {
    const KIND: &'static str = "embed-chunk";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 6,
        // A slow model takes a minute at a time, and may have to wait for others' batches.
        timeout: Duration::from_mins(5),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(2),
            cap: Duration::from_mins(5),
        },
    };

    /// Each is a run of 64 chunks: as many as the largest provider takes texts at once.
    const BATCH: usize = 32;

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            ..Options::default()
        }
    }
}

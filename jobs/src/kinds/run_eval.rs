use std::time::Duration;

use domain::{EvalRunId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Asks the questions of an evaluation, a batch at a time, and sums up what came of them.
///
/// Idempotent: a question that is graded is not asked again, so that a second run goes on where the
/// first one stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunEval {
    /// Whose evaluation it is.
    pub tenant_id: TenantId,
    /// The evaluation.
    pub run_id: EvalRunId,
}

impl Job for RunEval {
    const KIND: &'static str = "run-eval";
    const LANE: Lane = Lane::Bulk;
    const POLICY: Policy = Policy {
        max_attempts: 6,
        timeout: Duration::from_mins(5),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(5),
            cap: Duration::from_mins(5),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            unique: Some(Unique {
                key: self.run_id.to_string(),
                until: Until::Ended,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

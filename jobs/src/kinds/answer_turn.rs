use std::time::Duration;

use domain::{ConversationId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Answers everything a contact wrote since the last answer, as one turn.
///
/// Idempotent by the answer's UNIQUE (conversation, turn). One waits for each conversation, and
/// every further message pushes it to the end of the settle time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnswerTurn {
    /// Whose conversation it is.
    pub tenant_id: TenantId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// How long a burst is let settle.
    #[serde(skip)]
    pub settle: Duration,
    /// The longest that settling may take.
    #[serde(skip)]
    pub settle_max: Duration,
}

impl Job for AnswerTurn {
    const KIND: &'static str = "answer-turn";
    const LANE: Lane = Lane::Answers;
    const POLICY: Policy = Policy {
        max_attempts: 5,
        // The handler's own deadline decides, which is the tenant's: this is the longest that may be
        // set, and what stands around it.
        timeout: Duration::from_mins(11),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(15),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            ordering_key: Some(self.conversation_id.to_string()),
            unique: Some(Unique {
                key: self.conversation_id.to_string(),
                until: Until::Started,
                on_duplicate: OnDuplicate::Push {
                    max_wait: self.settle_max.max(self.settle),
                },
            }),
            delay: self.settle,
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::TenantSettings;

    use super::*;

    #[test]
    fn an_answer_has_the_time_that_its_tenant_gives_it() {
        // Reading the turn before, and committing the answer after.
        let around = Duration::from_mins(1);
        let longest = Duration::from_secs(TenantSettings::LONGEST_ANSWER_SECONDS.into());
        assert!(AnswerTurn::POLICY.timeout >= longest + around);
    }
}

use std::time::Duration;

use domain::{ConversationId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, OnDuplicate, Options, Policy, Unique, Until};

/// Has a conversation be where it is answered: in the page's own inbox while a person is wanted there,
/// else with us.
///
/// Idempotent: it looks where the conversation stands, and asks for what may be so already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MoveThread {
    /// Whose conversation it is.
    pub tenant_id: TenantId,
    /// The conversation.
    pub conversation_id: ConversationId,
}

impl Job for MoveThread {
    const KIND: &'static str = "move-thread";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 8,
        timeout: Duration::from_mins(1),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(1),
            cap: Duration::from_mins(2),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            ordering_key: Some(self.conversation_id.to_string()),
            unique: Some(Unique {
                key: self.conversation_id.to_string(),
                until: Until::Started,
                on_duplicate: OnDuplicate::Keep,
            }),
            ..Options::default()
        }
    }
}

use std::time::Duration;

use domain::{ConversationId, MessageFileId, MessageId, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Backoff, Job, Lane, Options, Policy};

/// Sends one outbound message through its channel.
///
/// Idempotent by the message's status: the intent to send is committed before anything leaves, and
/// a send whose end nobody saw is settled by the channel's report before it is tried again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SendReply {
    /// Whose message it is.
    pub tenant_id: TenantId,
    /// Its conversation, whose messages leave in order.
    pub conversation_id: ConversationId,
    /// The message.
    pub message_id: MessageId,
    /// The file that goes with it, where it is kept here and the channel has to be given it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<MessageFileId>,
    /// The limits of its channel, and of its contact where many messages go there.
    #[serde(skip)]
    pub limit_keys: [Option<String>; 2],
    /// How long it is put off.
    #[serde(skip)]
    pub delay: Duration,
}

impl Job for SendReply {
    const KIND: &'static str = "send-reply";
    const LANE: Lane = Lane::Interactive;
    const POLICY: Policy = Policy {
        max_attempts: 13,
        // A file goes first: the two must not take each other's time.
        timeout: Duration::from_mins(2),
        backoff: Backoff::Exponential {
            base: Duration::from_secs(1),
            cap: Duration::from_mins(2),
        },
    };

    fn options(&self) -> Options {
        Options {
            tenant: Some(self.tenant_id),
            ordering_key: Some(self.conversation_id.to_string()),
            limit_keys: self.limit_keys.clone(),
            delay: self.delay,
            ..Options::default()
        }
    }
}

//! Who may block what a contact wrote before a model reads it, and an answer before it is stored.
//!
//! A [`Moderator`] is a file here and a line in [`moderators`]. They are asked one after the other, in
//! the job that answers and outside of any transaction: what comes in is stored without waiting for
//! them.

mod hook;
mod words;

use domain::{ChannelKind, ConversationId, Direction, TenantId};

use super::turn::Turn;
use crate::Assistant;
use hook::Hook;
use words::Words;

/// A text that is to be judged.
#[derive(Clone, Copy, Debug)]
struct Said<'a> {
    /// From the contact, or to it.
    direction: Direction,
    /// Whose conversation it is.
    tenant_id: TenantId,
    /// In which it is said.
    conversation_id: ConversationId,
    /// Where.
    channel: ChannelKind,
    /// All that the contact wrote since the last answer, or the answer.
    text: &'a str,
}

/// What is to become of a text.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It goes on.
    Allow,
    /// It does not.
    Block {
        /// Why, for the log.
        reason: String,
    },
}

/// Judges texts.
#[async_trait::async_trait]
trait Moderator: Send + Sync {
    /// Its name, for the log.
    fn name(&self) -> &'static str;

    /// Judges a text. One that cannot tell says what is to become of it then.
    async fn judge(&self, said: &Said<'_>) -> Verdict;
}

/// Whom a tenant set; whoever costs least is asked first.
fn moderators<'a>(assistant: &'a Assistant, turn: &'a Turn) -> Vec<Box<dyn Moderator + 'a>> {
    let settings = &turn.profile.settings.moderation;
    let mut moderators: Vec<Box<dyn Moderator + 'a>> = Vec::new();
    if !settings.blocked.is_empty() {
        moderators.push(Box::new(Words(&settings.blocked)));
    }
    if let Some(url) = &settings.url {
        let secret = turn.profile.moderation_secret.as_ref();
        moderators.push(Box::new(Hook::new(assistant, settings, url, secret)));
    }
    moderators
}

/// Whether one of the tenant's moderators blocks a text of a turn. A text without words is not judged.
pub(super) async fn is_blocked(
    assistant: &Assistant,
    turn: &Turn,
    direction: Direction,
    text: &str,
) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    let said = Said {
        direction,
        tenant_id: turn.tenant_id,
        conversation_id: turn.conversation.id,
        channel: turn.channel.kind,
        text,
    };
    for moderator in moderators(assistant, turn) {
        if let Verdict::Block { reason } = moderator.judge(&said).await {
            tracing::info!(
                tenant.id = %said.tenant_id,
                conversation.id = %said.conversation_id,
                moderator = moderator.name(),
                direction = %direction,
                reason,
                "a text was blocked"
            );
            return true;
        }
    }
    false
}

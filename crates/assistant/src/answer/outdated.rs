//! Whether an answer that is being made is still wanted.

use futures::StreamExt as _;
use live::{Hub, LiveBody, Subscription, Update};
use store::conversations::{self, Standing};

use super::is_answered_by_machine;
use super::lookout::{Lookout, Sight};
use super::turn::Turn;
use crate::Assistant;

/// Whether the answer to a turn must not be given where its conversation stands so: it has one, the
/// contact wrote more, or it is a person's.
pub(super) fn is_outdated(turn: &Turn, now: Standing) -> bool {
    now.answered_turn >= now.turn_seq
        || now.turn_seq != turn.conversation.turn_seq
        || !is_answered_by_machine(now.status)
}

/// Waits until the answer to a turn is not wanted any more; perhaps for ever.
pub(super) async fn wait(assistant: &Assistant, turn: &Turn) {
    let extensions = assistant.db.extensions();
    let hub = extensions
        .get()
        .unwrap_or_else(|| extensions.get_or_insert(Hub::start(&assistant.db)));
    let lookout = extensions
        .get()
        .unwrap_or_else(|| extensions.get_or_insert(Lookout::default()));
    let mut told = hub.subscribe(turn.conversation.id);
    let mut post = lookout.watch(turn.tenant_id, turn.conversation.id);
    loop {
        let is_over = tokio::select! {
            () = hear(&mut told) => look(assistant, turn).await,
            sight = post.next(&assistant.db) => Ok(match sight {
                Sight::There(standing) => is_outdated(turn, standing),
                Sight::Gone => true,
            }),
        };
        match is_over {
            Ok(true) => return,
            Ok(false) => {}
            // The commit of the answer asks again.
            Err(error) => tracing::debug!(%error, "a conversation could not be looked at"),
        }
    }
}

/// Waits until a message or another status is told of.
async fn hear(told: &mut Subscription) {
    while let Some(update) = told.next().await {
        match update {
            Update::Resync => return,
            Update::Event(event) => {
                if matches!(
                    event.body,
                    LiveBody::Message { .. } | LiveBody::Conversation { .. }
                ) {
                    return;
                }
            }
        }
    }
    // The hub is gone: what is left is to look.
    std::future::pending::<()>().await;
}

async fn look(assistant: &Assistant, turn: &Turn) -> db::Result<bool> {
    let mut tx = assistant.db.tenant(turn.tenant_id).await?;
    match conversations::get(&mut tx, turn.conversation.id).await {
        // Erased, or older than what its tenant keeps.
        Err(db::Error::NotFound) => Ok(true),
        found => Ok(is_outdated(turn, found?.standing())),
    }
}

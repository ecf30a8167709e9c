use db::TenantTx;
use domain::Author;
use live::{LiveBody, LiveEvent};
use store::conversations::{self, Conversation};

use crate::Assistant;
use crate::deliver::{NewMessage, queue};

/// Says something in the product's own name; an empty text says nothing.
pub(crate) async fn system(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    text: &str,
    turn: Option<i64>,
) -> db::Result<()> {
    let text = text.trim();
    if text.is_empty() {
        if let Some(turn) = turn {
            conversations::settle_turn(tx, conversation.id, turn).await?;
        }
        return Ok(());
    }
    let outgoing = NewMessage {
        author: Author::System,
        turn,
        text,
        sources: &[],
    };
    queue(assistant, tx, conversation, &outgoing).await?;
    Ok(())
}

/// Shows open windows where a conversation stands.
pub(super) fn show_status(tx: &mut TenantTx, conversation: &Conversation) {
    let status = conversation.status;
    live::publish(
        tx,
        &LiveEvent::new(conversation.id, LiveBody::Conversation { status }),
    );
}

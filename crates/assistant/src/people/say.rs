use db::TenantTx;
use domain::{Author, UnansweredReason};
use live::{LiveBody, LiveEvent};
use store::conversations::{self, Conversation};

use crate::Assistant;
use crate::deliver::{NewMessage, queue};

/// Says something in the product's own name; an empty text says nothing. `settles`: it is the answer
/// to the open turn, and where nothing is said, this is why there is none.
pub(crate) async fn system(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    text: &str,
    settles: Option<UnansweredReason>,
) -> db::Result<()> {
    let text = text.trim();
    if text.is_empty() {
        if settles.is_some() {
            conversations::settle_turn(tx, conversation.id, settles).await?;
        }
        return Ok(());
    }
    let outgoing = NewMessage {
        author: Author::System,
        turn: settles.map(|_| conversation.turn_seq),
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

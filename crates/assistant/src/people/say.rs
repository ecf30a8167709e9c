use db::TenantTx;
use domain::{Author, MessageId, Source};
use jobs::kinds::SendReply;
use live::{LiveBody, LiveEvent};
use store::conversations::{self, Conversation};
use store::messages;

/// A message on its way into a conversation.
pub(crate) struct Outgoing<'a> {
    pub(crate) author: Author,
    /// The turn that it settles.
    pub(crate) turn: Option<i64>,
    pub(crate) text: &'a str,
    pub(crate) sources: &'a [Source],
}

/// Stores a text and enqueues its sends: one message, or several in a row where the channel carries
/// no text as long. The first of them settles the turn; all of their ids come back, in order.
pub(crate) async fn queue(
    tx: &mut TenantTx,
    conversation: &Conversation,
    outgoing: &Outgoing<'_>,
) -> db::Result<Vec<MessageId>> {
    let channel = store::channels::get(tx, conversation.channel_id).await?;
    let pieces = match channels::channel(channel.kind)
        .capabilities()
        .max_text_units
    {
        // A tenth is left for what the channel's markup adds.
        Some(max) => channels::split_text(outgoing.text, max - max / 10),
        None => vec![outgoing.text.to_owned()],
    };
    let mut ids = Vec::with_capacity(pieces.len());
    for (nth, text) in pieces.iter().enumerate() {
        let first = nth == 0;
        let turn = outgoing.turn.filter(|_| first);
        let seq = conversations::add_outbound(tx, conversation.id, turn).await?;
        let new = messages::NewOutbound {
            conversation_id: conversation.id,
            channel_id: conversation.channel_id,
            seq,
            author: outgoing.author,
            turn,
            text,
            sources: if first { outgoing.sources } else { &[] },
        };
        let message_id = messages::insert_outbound(tx, &new).await?;
        live::publish(
            tx,
            &LiveEvent::new(conversation.id, LiveBody::Message { seq }),
        );
        let job = SendReply {
            tenant_id: tx.tenant(),
            conversation_id: conversation.id,
            message_id,
        };
        jobs::enqueue(tx, &job).await?;
        ids.push(message_id);
    }
    Ok(ids)
}

/// Says something in the product's own name; an empty text says nothing.
pub(crate) async fn system(
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
    let outgoing = Outgoing {
        author: Author::System,
        turn,
        text,
        sources: &[],
    };
    queue(tx, conversation, &outgoing).await?;
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

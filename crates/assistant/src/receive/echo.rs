use db::TenantTx;
use domain::{AssignReason, ContentBody, Direction, InboundMessage, RawOutcome};
use events::{ConversationData, Event};
use jobs::Failure;
use live::{LiveBody, LiveEvent};
use store::channels::Channel;
use store::{contacts, conversations, messages};

use super::changes;
use super::message::meet;
use crate::{Assistant, TenantProfile, people};

/// Keeps what a person of the business wrote in another app of the channel, and leaves the
/// conversation to that person.
pub(super) async fn store(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    message: &InboundMessage,
) -> Result<RawOutcome, Failure> {
    // One of ours that the channel echoes, or one that came before.
    let known = messages::find_by_external_id(tx, channel.id, &message.external_id).await?;
    if known.is_some() {
        return Ok(RawOutcome::Ignored);
    }
    match &message.content.body {
        // It is about a message that is there, or about nothing.
        ContentBody::Edit { .. } | ContentBody::Revoke { .. } => {
            let external_id = &message.contact.external_id;
            let Some(contact) = contacts::find(tx, channel.id, external_id).await? else {
                return Ok(RawOutcome::Ignored);
            };
            let changed = changes::write(tx, contact, Direction::Outbound, message).await?;
            return Ok(changed.map_or(RawOutcome::Ignored, |_| RawOutcome::Done));
        }
        // A sign beside a message is none.
        ContentBody::Reaction { .. } => return Ok(RawOutcome::Ignored),
        _ => {}
    }
    let contact_id = meet(tx, channel.id, &message.contact).await?;
    let conversation = conversations::open(tx, channel.id, contact_id).await?;
    let seq = conversations::add_outbound(tx, conversation.id, None).await?;
    let content = serde_json::to_value(&message.content).map_err(Failure::retry)?;
    let echo = messages::NewEcho {
        conversation_id: conversation.id,
        channel_id: channel.id,
        seq,
        text: &message.text,
        content,
        external_id: &message.external_id,
        occurred_at: message.occurred_at,
    };
    messages::insert_echo(tx, &echo).await?;
    live::publish(
        tx,
        &LiveEvent::new(conversation.id, LiveBody::Message { seq }),
    );
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let mut happened = Vec::new();
    if conversation.message_seq == 0 {
        let now = assistant.clock.now();
        let within_hours = profile.settings.hours.is_open(now);
        let data = ConversationData::of(&conversation, within_hours, now);
        happened.push(Event::ConversationCreated(data));
    }
    let reason = AssignReason::Echo;
    let taken = people::take_over(assistant, tx, &profile, conversation.id, reason, None).await;
    happened.extend(taken.map_err(Failure::retry)?);
    people::tell(assistant, tx, &happened).await?;
    Ok(RawOutcome::Done)
}

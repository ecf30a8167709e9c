use db::TenantTx;
use domain::{AssignReason, ContentBody, Direction, InboundMessage, RawOutcome};
use events::{ConversationData, Event};
use jobs::Failure;
use live::{LiveBody, LiveEvent};
use store::channels::Channel;
use store::conversations::{self, Conversation};
use store::parked_changes::Target;
use store::raw_items::RawItemAt;
use store::{contacts, messages};

use super::change::{Arrival, Change, Written, write_or_park};
use super::message::meet;
use crate::{Assistant, TenantProfile, people};

/// Keeps what a person of the business wrote in another app of the channel, and leaves the
/// conversation to that person.
pub(super) async fn store(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    message: &InboundMessage,
    told_by: RawItemAt,
) -> Result<RawOutcome, Failure> {
    // One of ours that the channel echoes, or one that came before.
    let known = messages::find_by_external_id(tx, channel.id, &message.external_id).await?;
    if known.is_some() {
        return Ok(RawOutcome::Ignored);
    }
    if let Some(change) = Change::of(&message.content.body, message.occurred_at) {
        return apply(tx, channel, message, &change, told_by).await;
    }
    // A sign beside a message is none.
    if matches!(message.content.body, ContentBody::Reaction { .. }) {
        return Ok(RawOutcome::Ignored);
    }
    let contact_id = meet(tx, channel.id, &message.contact).await?;
    let conversation = conversations::open(tx, channel.id, contact_id).await?;
    let arrival = Arrival::of(tx, channel.id, contact_id, Direction::Outbound, message).await?;
    insert(tx, &conversation, &arrival).await?;
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

/// Applies what a person of the business changed in another app. It is about a message that is there
/// or is to come, or about a person whom nobody knows.
async fn apply(
    tx: &mut TenantTx,
    channel: &Channel,
    message: &InboundMessage,
    change: &Change,
    told_by: RawItemAt,
) -> Result<RawOutcome, Failure> {
    let external_id = &message.contact.external_id;
    if contacts::find(tx, channel.id, external_id).await?.is_none() {
        return Ok(RawOutcome::Ignored);
    }
    let target = Target {
        channel_id: channel.id,
        contact_id: meet(tx, channel.id, &message.contact).await?,
        direction: Direction::Outbound,
        external_id: &change.target,
    };
    match write_or_park(tx, &target, change, told_by).await? {
        Written::Changed(_) | Written::Parked => Ok(RawOutcome::Done),
        Written::Outdated => Ok(RawOutcome::Ignored),
    }
}

/// Stores an echo at the end of its conversation.
async fn insert(
    tx: &mut TenantTx,
    conversation: &Conversation,
    arrival: &Arrival<'_>,
) -> Result<(), Failure> {
    let message = &arrival.message;
    let seq = conversations::add_outbound(tx, conversation.id, None).await?;
    let echo = messages::NewEcho {
        conversation_id: conversation.id,
        channel_id: conversation.channel_id,
        seq,
        text: &message.text,
        content: serde_json::to_value(&message.content).map_err(Failure::retry)?,
        external_id: &message.external_id,
        occurred_at: message.occurred_at,
    };
    messages::insert_echo(tx, &echo).await?;
    arrival.note_change(tx).await?;
    let shown = LiveEvent::new(conversation.id, LiveBody::Message { seq });
    live::publish(tx, &shown);
    Ok(())
}

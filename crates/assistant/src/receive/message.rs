use std::time::Duration;

use channels::channel;
use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{Inbound, InboundMessage, MessageId, RawItemId, RawOutcome};
use events::{Event, MessageData};
use fail::fail_point;
use jobs::kinds::{self, AnswerTurn};
use jobs::{DeadJob, Failure, JobHandle};
use live::{LiveBody, LiveEvent};
use store::conversations::{self, Conversation};
use store::{contacts, messages, raw_items};

use crate::{Assistant, TenantProfile, people};

/// Turns a raw item into a message of its contact's conversation, and has it answered.
///
/// # Errors
/// A retry for what may pass, dead for what cannot.
pub async fn store(
    assistant: &Assistant,
    handle: &JobHandle,
    job: kinds::InboundMessage,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let raw = raw_items::get(&mut tx, job.raw_item_id, job.received_at).await?;
    let (Some(payload), Some(channel_id)) = (&raw.payload, raw.channel_id) else {
        return Err(Failure::dead("the raw item names no channel"));
    };
    let outcome = match channel(raw.channel_kind).decode(payload) {
        Ok(Inbound::Message(message)) => {
            store_message(assistant, &mut tx, channel_id, &message).await?;
            RawOutcome::Done
        }
        // What the business wrote in another app: kept as it came, answered by nobody.
        Ok(_) => RawOutcome::Ignored,
        Err(unreadable) => return Err(Failure::dead(unreadable.reason)),
    };
    raw_items::settle(&mut tx, raw.id, raw.received_at, outcome, None).await?;
    fail_point!("inbound.before_commit");
    tx.commit().await?;
    fail_point!("inbound.after_commit");
    Ok(())
}

/// Makes the death of an item's job visible on the item, in the transaction that buries the job.
///
/// # Errors
/// Those of the database.
pub async fn on_dead(_: &Assistant, tx: &mut TenantTx, dead: &DeadJob) -> db::Result<()> {
    let Ok(job) = dead.job.decode::<kinds::InboundMessage>() else {
        return Ok(());
    };
    fail_item(tx, job.raw_item_id, job.received_at, dead).await
}

/// Notes on a raw item that its job died.
pub(super) async fn fail_item(
    tx: &mut TenantTx,
    id: RawItemId,
    received_at: DateTime<Utc>,
    dead: &DeadJob,
) -> db::Result<()> {
    let reason = Some(dead.reason.as_str());
    raw_items::settle(tx, id, received_at, RawOutcome::Failed, reason).await
}

async fn store_message(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel_id: domain::ChannelId,
    message: &InboundMessage,
) -> Result<(), Failure> {
    let known = messages::find_by_external_id(tx, channel_id, &message.external_id).await?;
    if known.is_some() {
        // Delivered again: it is there, and whatever it led to was enqueued with it.
        return Ok(());
    }
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let contact = &message.contact;
    let contact_id = contacts::upsert(
        tx,
        channel_id,
        &contact.external_id,
        &contact.address,
        contact.display_name.as_deref(),
    )
    .await?;
    let mut conversation = conversations::open(tx, channel_id, contact_id).await?;
    let is_on = profile.enabled && channel_is_enabled(tx, channel_id).await?;
    let mut happened = Vec::new();
    let heeded = people::decide(
        assistant,
        tx,
        &profile,
        &mut conversation,
        message,
        is_on,
        &mut happened,
    )
    .await?;
    let id = insert(tx, &profile, &conversation, message, heeded.is_answered()).await?;
    let mut acted = Vec::new();
    people::act(
        assistant,
        tx,
        &profile,
        &conversation,
        id,
        &heeded,
        &mut acted,
    )
    .await
    .map_err(Failure::retry)?;
    let stored = messages::get(tx, id).await?;
    happened.push(Event::MessageReceived(MessageData::of(&stored)));
    happened.append(&mut acted);
    // Last: it locks the endpoints that want to know.
    people::tell(assistant, tx, &happened)
        .await
        .map_err(Failure::retry)
}

/// Stores the message at the end of its conversation, and has it answered where the machine is to.
async fn insert(
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
    message: &InboundMessage,
    is_answered: bool,
) -> Result<MessageId, Failure> {
    let (seq, turn) =
        conversations::add_inbound(tx, conversation.id, message.occurred_at, is_answered).await?;
    let content = serde_json::to_value(&message.content).map_err(Failure::retry)?;
    let new = messages::NewInbound {
        conversation_id: conversation.id,
        channel_id: conversation.channel_id,
        seq,
        turn,
        text: &message.text,
        content,
        external_id: &message.external_id,
        occurred_at: message.occurred_at,
    };
    let id = messages::insert_inbound(tx, &new).await?;
    let shown = LiveEvent::new(conversation.id, LiveBody::Message { seq });
    live::publish(tx, &shown);
    if is_answered {
        let job = AnswerTurn {
            tenant_id: tx.tenant(),
            conversation_id: conversation.id,
            settle: Duration::from_millis(profile.settings.settle_ms.into()),
            settle_max: Duration::from_millis(profile.settings.settle_max_ms.into()),
        };
        jobs::enqueue(tx, &job).await?;
    }
    Ok(id)
}

async fn channel_is_enabled(tx: &mut TenantTx, id: domain::ChannelId) -> Result<bool, Failure> {
    Ok(store::channels::get(tx, id).await?.enabled)
}

use std::time::Duration;

use channels::{Delivery, channel as adapter};
use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{
    ChannelId, ContactId, ContactRef, ContentBody, ConversationId, Direction, Inbound,
    InboundMessage, RawItemId, RawOutcome,
};
use events::{Event, MessageData};
use fail::fail_point;
use jobs::kinds::{self, AnswerTurn};
use jobs::{DeadJob, Failure, JobHandle};
use live::{LiveBody, LiveEvent};
use store::channels::Channel;
use store::contacts;
use store::conversations::{self, Conversation};
use store::messages::{self, Message};
use store::raw_items::{self, RawItemAt};
use telemetry::trace::{Subject, note};

use super::change::Arrival;
use super::{changes, echo, handover, media};
use crate::people::{self, Heeded};
use crate::{Assistant, TenantProfile, dropped_files};

/// Turns a raw item into what it means for its contact's conversation, and has it answered if a
/// contact wrote.
///
/// # Errors
/// A retry for what may pass, dead for what cannot.
pub async fn store(
    assistant: &Assistant,
    handle: &JobHandle,
    job: kinds::InboundMessage,
) -> Result<(), Failure> {
    note(Subject::Tenant, job.tenant_id);
    let mut tx = assistant.db.tenant_by_keys(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    let (id, at) = (job.raw_item_id, job.received_at);
    let told_by = RawItemAt {
        id,
        received_at: at,
    };
    let (payload, channel) = raw_items::take_posted(&mut tx, id, at).await?;
    let Some(payload) = payload else {
        return Err(Failure::dead("the raw item is not JSON"));
    };
    let mut drops_files = false;
    let outcome = match adapter(channel.kind).decode(&payload) {
        Ok(Inbound::Message(message)) => {
            drops_files = matches!(message.content.body, ContentBody::Revoke { .. });
            store_item(assistant, &mut tx, &channel, &message, told_by).await?;
            RawOutcome::Done
        }
        Ok(Inbound::Echo(message)) => {
            echo::store(assistant, &mut tx, &channel, &message, told_by).await?
        }
        Ok(Inbound::Handover(change)) => {
            handover::apply(assistant, &mut tx, &channel, &change).await?
        }
        Ok(_) => return Err(Failure::dead("the raw item concerns no conversation")),
        Err(unreadable) => return Err(Failure::dead(unreadable.reason)),
    };
    if outcome != RawOutcome::Done {
        raw_items::settle(&mut tx, id, at, outcome, None).await?;
    }
    fail_point!("inbound.before_commit");
    tx.commit().await?;
    fail_point!("inbound.after_commit");
    if drops_files {
        dropped_files::sweep_soon(assistant).await;
    }
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

/// Finds the contact, or adds it. One whom the channel named otherwise before is the same person.
pub(super) async fn meet(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: &ContactRef,
) -> Result<ContactId, Failure> {
    if contact.address != contact.external_id {
        contacts::rename(tx, channel, &contact.address, &contact.external_id).await?;
    }
    let id = contacts::upsert(
        tx,
        channel,
        &contact.external_id,
        &contact.address,
        contact.display_name.as_deref(),
    )
    .await?;
    Ok(id)
}

/// Has the open turn of a conversation answered, once it has settled.
pub(super) async fn ask_for_answer(
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation_id: ConversationId,
) -> Result<(), Failure> {
    let job = AnswerTurn {
        tenant_id: tx.tenant(),
        conversation_id,
        settle: Duration::from_millis(profile.settings.settle_ms.into()),
        settle_max: Duration::from_millis(profile.settings.settle_max_ms.into()),
    };
    jobs::enqueue(tx, &job).await?;
    Ok(())
}

/// Stores one thing that a contact sent.
async fn store_item(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    message: &InboundMessage,
    told_by: RawItemAt,
) -> Result<(), Failure> {
    let known = messages::find_by_external_id(tx, channel.id, &message.external_id).await?;
    if let Some(known) = known {
        // Delivered again: it is there, and whatever it led to was enqueued with it. Windows may not
        // know of it: a process that dies as it has stored it tells nobody.
        let stored = messages::get(tx, known).await?;
        let body = LiveBody::Message { seq: stored.seq };
        live::publish(tx, &LiveEvent::new(stored.conversation_id, body));
        return Ok(());
    }
    let contact_id = match &message.content.body {
        ContentBody::System(notice) => {
            let contact = changes::relink(tx, channel.id, &message.contact, notice).await?;
            meet(tx, channel.id, &contact).await?
        }
        _ => meet(tx, channel.id, &message.contact).await?,
    };
    if changes::apply(assistant, tx, channel, contact_id, message, told_by).await? {
        return Ok(());
    }
    store_message(assistant, tx, channel, contact_id, message).await
}

/// Stores a message at the end of its conversation. One that was changed before it came reads so from
/// the beginning: the later words are heeded, and what was deleted is not answered.
async fn store_message(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    contact_id: ContactId,
    message: &InboundMessage,
) -> Result<(), Failure> {
    let arrival = Arrival::of(tx, channel.id, contact_id, Direction::Inbound, message).await?;
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let mut conversation = conversations::open(tx, channel.id, contact_id).await?;
    note(Subject::Conversation, conversation.id);
    let is_on = profile.enabled && channel.enabled;
    let mut happened = Vec::new();
    let heeded = people::decide(
        assistant,
        tx,
        &profile,
        &mut conversation,
        &arrival.message,
        is_on,
        &mut happened,
    )
    .await?;
    let stored = insert(tx, channel, &conversation, &arrival, &heeded).await?;
    note(Subject::Message, stored.id);
    if heeded.is_answered() {
        ask_for_answer(tx, &profile, conversation.id).await?;
    }
    happened.push(Event::MessageReceived(MessageData::of(&stored)));
    people::act(
        assistant,
        tx,
        &profile,
        &conversation,
        &heeded,
        &mut happened,
    )
    .await
    .map_err(Failure::retry)?;
    // Last: it locks the endpoints that want to know.
    people::tell(assistant, tx, &happened)
        .await
        .map_err(Failure::retry)
}

/// Stores the message at the end of its conversation, in a turn where the machine is to answer it.
async fn insert(
    tx: &mut TenantTx,
    channel: &Channel,
    conversation: &Conversation,
    arrival: &Arrival<'_>,
    heeded: &Heeded,
) -> Result<Message, Failure> {
    let message = &arrival.message;
    // Whatever became of it, the contact wrote.
    let opens_window = adapter(channel.kind).opens_window(&arrival.original.content);
    let (seq, turn) = conversations::add_inbound(
        tx,
        conversation.id,
        message.occurred_at,
        heeded.is_answered(),
        opens_window,
    )
    .await?;
    let content = serde_json::to_value(&message.content).map_err(Failure::retry)?;
    let new = messages::NewInbound {
        conversation_id: conversation.id,
        channel_id: channel.id,
        seq,
        turn,
        text: &message.text,
        content,
        external_id: &message.external_id,
        occurred_at: message.occurred_at,
        unanswered_reason: heeded.reason(),
    };
    let mut stored = messages::insert_inbound(tx, &new).await?;
    // A web chat's files are here already.
    if adapter(channel.kind).capabilities().delivery == Delivery::Request {
        media::expect(tx, stored.id, &message.content).await?;
    }
    if arrival.note_change(tx).await? {
        stored = messages::get(tx, stored.id).await?;
    }
    let shown = LiveEvent::new(conversation.id, LiveBody::Message { seq });
    live::publish(tx, &shown);
    Ok(stored)
}

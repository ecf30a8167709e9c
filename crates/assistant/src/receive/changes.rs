use db::TenantTx;
use domain::{ChannelId, ContactId, ContactRef, Direction, InboundMessage, SystemNotice};
use jobs::Failure;
use store::channels::Channel;
use store::contacts;
use store::conversations::{self, Conversation};
use store::messages::{self, Changed};
use store::parked_changes::Target;
use store::raw_items::RawItemAt;

use super::change::{Change, Written, write_or_park};
use super::message::ask_for_answer;
use crate::answer::is_answered_by_machine;
use crate::people::{self, Heeded};
use crate::{Assistant, TenantProfile};

/// Applies a later wording or a deletion to the contact's message that it is about; one that comes
/// before its message waits for it. False if it is neither.
pub(super) async fn apply(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    contact: ContactId,
    message: &InboundMessage,
    told_by: RawItemAt,
) -> Result<bool, Failure> {
    let Some(change) = Change::of(&message.content.body, message.occurred_at) else {
        return Ok(false);
    };
    let target = Target {
        channel_id: channel.id,
        contact_id: contact,
        direction: Direction::Inbound,
        external_id: &change.target,
    };
    let Written::Changed(changed) = write_or_park(tx, &target, &change, told_by).await? else {
        return Ok(true);
    };
    if change.wording.is_some() {
        let reworded = change.applied_to(message);
        heed(assistant, tx, channel, &changed, &reworded).await?;
        return Ok(true);
    }
    let conversation = conversations::lock(tx, changed.conversation_id).await?;
    if awaits_answer(&changed, &conversation) {
        let profile = TenantProfile::load(tx, &assistant.keyring).await?;
        answer_rest(tx, &profile, &conversation).await?;
    }
    Ok(true)
}

/// Does what later words ask for, as if they had been the first: a stop and a call for a person count,
/// and what is blocked reaches no model. Words that were answered already are not answered again.
async fn heed(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    changed: &Changed,
    reworded: &InboundMessage,
) -> Result<(), Failure> {
    let profile = TenantProfile::load(tx, &assistant.keyring).await?;
    let mut conversation = conversations::lock(tx, changed.conversation_id).await?;
    let is_on = profile.enabled && channel.enabled;
    let mut happened = Vec::new();
    let heeded = people::decide(
        assistant,
        tx,
        &profile,
        &mut conversation,
        reworded,
        is_on,
        &mut happened,
    )
    .await?;
    let awaits_answer = awaits_answer(changed, &conversation);
    match heeded {
        Heeded::Answer | Heeded::Nothing if awaits_answer => {
            answer_rest(tx, &profile, &conversation).await?;
        }
        // It cannot be read any more, and what else is in its turn is answered.
        Heeded::Silent(reason) if awaits_answer && reworded.content.silence() == Some(reason) => {
            messages::leave_turn(tx, changed.id, Some(reason)).await?;
            answer_rest(tx, &profile, &conversation).await?;
        }
        Heeded::Answer | Heeded::Nothing | Heeded::Silent(_) => {}
        // Nobody is waiting for it to be said.
        Heeded::Blocked if !awaits_answer => {}
        Heeded::Person { .. } if !conversation.status.is_open() => {}
        Heeded::Blocked | Heeded::Person { .. } | Heeded::Stop { .. } | Heeded::Start { .. } => {
            if awaits_answer {
                messages::leave_turn(tx, changed.id, heeded.reason()).await?;
            }
            let happened = &mut happened;
            people::act(assistant, tx, &profile, &conversation, &heeded, happened)
                .await
                .map_err(Failure::retry)?;
            // The others settle the whole turn.
            if heeded == Heeded::Blocked {
                answer_rest(tx, &profile, &conversation).await?;
            }
        }
    }
    people::tell(assistant, tx, &happened)
        .await
        .map_err(Failure::retry)
}

/// Whether the machine is still to answer a message.
fn awaits_answer(changed: &Changed, conversation: &Conversation) -> bool {
    let is_open = changed
        .turn
        .is_some_and(|turn| turn > conversation.answered_turn);
    is_open && is_answered_by_machine(conversation.status)
}

/// Has the answer to the open turn made from the words that stand now; where none are left there is
/// nothing to answer.
async fn answer_rest(
    tx: &mut TenantTx,
    profile: &TenantProfile,
    conversation: &Conversation,
) -> Result<(), Failure> {
    let (after, until) = (conversation.answered_turn, conversation.turn_seq);
    let left = messages::turn(tx, conversation.id, after, until).await?;
    if left.is_empty() {
        conversations::settle_turn(tx, conversation.id, None).await?;
        return Ok(());
    }
    conversations::raise_turn(tx, conversation.id).await?;
    ask_for_answer(tx, profile, conversation.id).await
}

/// A contact has another number or another name at the channel: it stays the same contact. Returns
/// how the channel names it from here on.
pub(super) async fn relink(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: &ContactRef,
    notice: &SystemNotice,
) -> Result<ContactRef, Failure> {
    let new = notice
        .new_external_id
        .as_ref()
        .or(notice.new_address.as_ref());
    let Some(new) = new else {
        return Ok(contact.clone());
    };
    let old = [
        notice.previous_external_id.as_ref(),
        Some(&contact.external_id),
        Some(&contact.address),
    ];
    for old in old.into_iter().flatten().filter(|old| *old != new) {
        if contacts::rename(tx, channel, old, new).await? {
            break;
        }
    }
    let address = notice.new_address.as_ref().unwrap_or(new);
    Ok(ContactRef {
        external_id: new.clone(),
        address: address.clone(),
        display_name: contact.display_name.clone(),
    })
}

use db::TenantTx;
use domain::{
    AssignReason, ConversationStatus, ConversationStep, Handover, HandoverChange, RawOutcome,
};
use jobs::Failure;
use store::channels::Channel;
use store::{contacts, conversations};

use crate::connections::{app_id, open_secrets};
use crate::{Assistant, TenantProfile, people};

/// The conversation at the channel went to another app, came back, or is asked for.
///
/// While another app has it, a person answers there and the machine is silent here. Who only asks
/// for it gets no answer from a machine: it is noted on the raw item.
pub(super) async fn apply(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    handover: &Handover,
) -> Result<RawOutcome, Failure> {
    let contact = contacts::find(tx, channel.id, &handover.contact_external_id).await?;
    let Some(contact) = contact else {
        return Ok(RawOutcome::Ignored);
    };
    let Some(conversation) = conversations::find_running(tx, channel.id, contact).await? else {
        return Ok(RawOutcome::Ignored);
    };
    // An app is told of a conversation passed to it; without an id of ours that is how we know.
    let secrets = open_secrets(assistant, channel).map_err(Failure::retry)?;
    let own = app_id(assistant, secrets.as_ref());
    let is_ours = match (&handover.new_owner_app_id, own) {
        (Some(new), Some(own)) => new == own,
        (Some(_), None) => handover.change == HandoverChange::Passed,
        (None, _) => false,
    };
    match handover.change {
        HandoverChange::Requested => return Ok(RawOutcome::Ignored),
        HandoverChange::Passed if is_ours => {
            if conversation.status == ConversationStatus::AssignedHuman {
                let back = ConversationStep::Release;
                people::step(assistant, tx, conversation.id, back, None)
                    .await
                    .map_err(Failure::retry)?;
            }
        }
        HandoverChange::Passed | HandoverChange::Taken => {
            let profile = TenantProfile::load(tx, &assistant.keyring).await?;
            let reason = AssignReason::Echo;
            let taken = people::take_over(assistant, tx, &profile, conversation.id, reason, None);
            let happened = taken.await.map_err(Failure::retry)?;
            people::tell(assistant, tx, &happened).await?;
        }
    }
    Ok(RawOutcome::Done)
}

//! A message that the channel took, and of which it reports later that it failed.

use std::time::Duration;

use ::channels::{Next, SendClass};
use db::TenantTx;
use jobs::Failure;
use store::channels::Channel;
use store::conversations;
use store::messages::{self, Message};

use super::queue::enqueue_again;
use super::{fallback, request};
use crate::Assistant;
use crate::connections::connect;
use crate::receive::status::announce;

/// How many sends of a message may fail so before it has failed for good.
const MAX_SENDS: i32 = 4;

/// The longest wait that a message is put off for by itself.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// Queues a message once more whose failure was reported after the channel had taken it, where the
/// code says that it passes, or the tenant's template may go in its place. False if it has failed for
/// good.
///
/// # Errors
/// A retry for what may pass.
pub(crate) async fn send_again(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    message: &Message,
    code: i64,
) -> Result<bool, Failure> {
    let Some(connection) = connect(assistant, channel).map_err(Failure::retry)? else {
        return Ok(false);
    };
    let Some(class) = connection.class_of_code(code) else {
        return Ok(false);
    };
    let passes = match class {
        SendClass::WindowClosed => fallback::put(tx, channel, message).await?,
        class => matches!(class.decide(1).next, Next::Retry { after } if after <= MAX_WAIT),
    };
    if !passes {
        return Ok(false);
    }
    let Some(failures) = messages::queue_again(tx, message.id, MAX_SENDS).await? else {
        return Ok(false);
    };
    let decision = class.decide(u32::try_from(failures).unwrap_or(1));
    let delay = match decision.next {
        Next::Retry { after } => after,
        Next::Reconcile | Next::GiveUp => Duration::ZERO,
    };
    let party = conversations::get_with_contact(tx, message.conversation_id).await?;
    let (conversation, contact) = party;
    if let Some(pauses) = decision.pause {
        let to = contact.send_to();
        request::hold_back(tx, channel.id, connection.as_ref(), to, pauses).await?;
    }
    let queued = messages::get(tx, message.id).await?;
    enqueue_again(assistant, tx, &conversation, &queued, delay).await?;
    announce(assistant, tx, &queued, false).await?;
    Ok(true)
}

use std::time::Duration;

use channels::whatsapp::{self, SendClass, SendError, SendRequest, WhatsappConfig};
use channels::{Unsupported, channel as adapter};
use domain::Content;
use fail::fail_point;
use jobs::{Failure, JobHandle};
use store::{contacts, conversations, messages};

use super::{Plan, fail as fail_message, settle_sent};
use crate::Assistant;
use crate::receive::whatsapp::open_secrets;

/// How long a number pauses when Meta says that it sends too much.
const THROUGHPUT_PAUSE: Duration = Duration::from_secs(10);

/// What is sent, opened and checked.
struct Letter {
    phone_number_id: String,
    access_token: secrecy::SecretString,
    to: String,
    body: String,
}

/// Gives the message to Meta and notes how that ended.
pub(super) async fn send(
    assistant: &Assistant,
    handle: &JobHandle,
    plan: &Plan,
) -> Result<(), Failure> {
    let letter = match write(assistant, plan).await? {
        Ok(letter) => letter,
        Err(why) => return give_up(assistant, plan, &why).await,
    };
    let tag = plan.message.id.to_string();
    let request = SendRequest {
        phone_number_id: &letter.phone_number_id,
        to: &letter.to,
        body: &letter.body,
        tag: &tag,
        access_token: &letter.access_token,
    };
    // A process that slept past its lease must not send: this is the last look before it leaves.
    handle.check_lease()?;
    fail_point!("send.before_request");
    let answer = whatsapp::send(&assistant.trusted, &assistant.settings.meta.graph, &request).await;
    fail_point!("send.after_request");
    match answer {
        Ok(sent) => settle_sent(assistant, plan, Some(&sent.external_id)).await,
        Err(error) => settle_error(assistant, handle, plan, error).await,
    }
}

/// Writes the letter; the inner error says why it can never be written.
async fn write(assistant: &Assistant, plan: &Plan) -> Result<Result<Letter, String>, Failure> {
    let channel = &plan.channel;
    let mut tx = assistant.db.tenant(channel.tenant_id).await?;
    let conversation = conversations::get(&mut tx, plan.message.conversation_id).await?;
    let contact = contacts::get(&mut tx, conversation.contact_id).await?;
    drop(tx);
    let secrets = match open_secrets(assistant, channel) {
        Ok(secrets) => secrets,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let config: WhatsappConfig = match serde_json::from_value(channel.config.clone()) {
        Ok(config) => config,
        Err(error) => return Ok(Err(format!("the channel's configuration: {error}"))),
    };
    let content = Content::Text {
        body: plan.message.text.clone(),
    };
    let pieces = match adapter(channel.kind).encode(&content) {
        Ok(pieces) => pieces,
        Err(Unsupported { reason, .. }) => return Ok(Err(reason.to_owned())),
    };
    // One message, one send, one tag: what does not fit is left out rather than sent untagged.
    let Some(body) = pieces.into_iter().next() else {
        return Ok(Err("there is nothing to send".to_owned()));
    };
    Ok(Ok(Letter {
        phone_number_id: config.phone_number_id,
        access_token: secrets.access_token,
        to: contact.address.unwrap_or(contact.external_id),
        body,
    }))
}

/// What an error of Meta's means for the message and its job.
async fn settle_error(
    assistant: &Assistant,
    handle: &JobHandle,
    plan: &Plan,
    error: SendError,
) -> Result<(), Failure> {
    let why = error.to_string();
    tracing::warn!(message.id = %plan.message.id, code = error.code, error = %why,
        "a message was not taken");
    let wait = match error.class {
        SendClass::Unknown => {
            let mut tx = assistant.db.tenant(plan.channel.tenant_id).await?;
            messages::mark_unknown(&mut tx, plan.message.id, &why).await?;
            tx.commit().await?;
            let wait = assistant.settings.send_reconcile;
            let reason = "waits for the channel's report whether the message was sent";
            return Err(Failure::snooze(wait, reason));
        }
        SendClass::WindowClosed
        | SendClass::Permanent
        | SendClass::TokenDead
        | SendClass::ChannelBlocked
        | SendClass::Config => return give_up(assistant, plan, &why).await,
        SendClass::Retry { after } => after.unwrap_or_default(),
        SendClass::RetryFew => Duration::ZERO,
        // 4^n seconds. Source: facts of Meta's error 131056.
        SendClass::PairLimit => {
            Duration::from_secs(4_u64.pow(u32::from(handle.job.attempt.clamp(0, 4).unsigned_abs())))
        }
        SendClass::Throughput => THROUGHPUT_PAUSE,
    };
    let mut tx = assistant.db.tenant(plan.channel.tenant_id).await?;
    messages::requeue(&mut tx, plan.message.id, &why).await?;
    tx.commit().await?;
    Err(Failure::retry_after(wait, error))
}

async fn give_up(assistant: &Assistant, plan: &Plan, why: &str) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(plan.channel.tenant_id).await?;
    fail_message(assistant, &mut tx, plan.message.id, why).await?;
    Ok(tx.commit().await?)
}

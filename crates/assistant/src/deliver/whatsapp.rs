use std::time::Duration;

use channels::whatsapp::{self, SendClass, SendError, SendRequest, WhatsappConfig};
use channels::{Unsupported, channel as adapter};
use db::TenantTx;
use domain::Content;
use fail::fail_point;
use jobs::{Failure, JobHandle};
use store::channels::Channel;
use store::conversations::Conversation;
use store::{contacts, messages};

use super::{Plan, fail as fail_message, settle_sent, wait_for_report};
use crate::Assistant;
use crate::receive::whatsapp::open_secrets;

/// How long a number pauses when Meta says that it sends too much.
const THROUGHPUT_PAUSE: Duration = Duration::from_secs(10);

/// What is sent, opened and checked.
pub(super) struct Letter {
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
    let letter = &plan.letter;
    let tag = plan.message.id.to_string();
    let request = SendRequest {
        phone_number_id: &letter.phone_number_id,
        to: &letter.to,
        body: &letter.body,
        tag: &tag,
        access_token: &letter.access_token,
    };
    fail_point!("send.before_request");
    // A process that slept past its lease must not send: this is the last look before it leaves.
    handle.check_lease()?;
    let answer = whatsapp::send(&assistant.trusted, &assistant.settings.meta.graph, &request).await;
    fail_point!("send.after_request");
    match answer {
        Ok(sent) => settle_sent(assistant, plan, &sent.external_id).await,
        Err(error) => settle_error(assistant, handle, plan, error).await,
    }
}

/// Writes the letter; the inner error says why it can never be written.
pub(super) async fn write(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    conversation: &Conversation,
    text: &str,
) -> Result<Result<Letter, String>, Failure> {
    let contact = contacts::get(tx, conversation.contact_id).await?;
    let secrets = match open_secrets(assistant, channel) {
        Ok(secrets) => secrets,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let config: WhatsappConfig = match serde_json::from_value(channel.config.clone()) {
        Ok(config) => config,
        Err(error) => return Ok(Err(format!("the channel's configuration: {error}"))),
    };
    let content = Content::Text {
        body: text.to_owned(),
    };
    let pieces = match adapter(channel.kind).plan(&content) {
        Ok(pieces) => pieces,
        Err(Unsupported { reason, .. }) => return Ok(Err(reason.to_owned())),
    };
    // One message, one send, one tag: longer answers were stored as several messages.
    let Some(Content::Text { body }) = pieces.into_iter().next() else {
        return Ok(Err("there is nothing to send".to_owned()));
    };
    Ok(Ok(Letter {
        phone_number_id: config.phone_number_id,
        access_token: secrets.access_token,
        to: contact.address.unwrap_or(contact.external_id),
        body: adapter(channel.kind).format(&body),
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
            handle.fence(&mut tx).await?;
            let now = assistant.clock.now();
            messages::mark_unknown(&mut tx, plan.message.id, &why, now).await?;
            tx.commit().await?;
            return Err(wait_for_report(assistant.settings.send_reconcile));
        }
        SendClass::WindowClosed
        | SendClass::Permanent
        | SendClass::TokenDead
        | SendClass::ChannelBlocked
        | SendClass::Config => return give_up(assistant, handle, plan, &why).await,
        SendClass::Retry { after } => after.unwrap_or_default(),
        SendClass::RetryFew => Duration::ZERO,
        // 4^n seconds. Source: facts of Meta's error 131056.
        SendClass::PairLimit => {
            Duration::from_secs(4_u64.pow(u32::from(handle.job.attempt.clamp(0, 4).unsigned_abs())))
        }
        SendClass::Throughput => THROUGHPUT_PAUSE,
    };
    let mut tx = assistant.db.tenant(plan.channel.tenant_id).await?;
    handle.fence(&mut tx).await?;
    messages::requeue(&mut tx, plan.message.id, &why).await?;
    tx.commit().await?;
    Err(Failure::retry_after(wait, error))
}

async fn give_up(
    assistant: &Assistant,
    handle: &JobHandle,
    plan: &Plan,
    why: &str,
) -> Result<(), Failure> {
    let mut tx = assistant.db.tenant(plan.channel.tenant_id).await?;
    handle.fence(&mut tx).await?;
    fail_message(assistant, &mut tx, plan.message.id, why).await?;
    Ok(tx.commit().await?)
}

use std::time::Duration;

use ::channels::{
    Connection, Decision, HttpRequest, Next, Outgoing, Pause, Permit, SendClass, SendError,
    Situation, channel as adapter,
};
use chrono::{DateTime, TimeDelta, Utc};
use db::TenantTx;
use domain::{ChannelId, Content, MediaFile, MessageId};
use fail::fail_point;
use jobs::{Failure, JobHandle};
use store::channels::Channel;
use store::messages;

use super::queue::pause;
use super::{fail as fail_message, fallback, settle_sent, wait_for_report};
use crate::channel_health::{self, Witness, send_key};
use crate::connections::{connect, perform};
use crate::{Assistant, people};

/// Whom a message goes to.
#[derive(Clone, Copy)]
pub(super) struct Recipient<'a> {
    /// When the contact last did what allows a free answer.
    pub(super) opened_at: Option<DateTime<Utc>>,
    /// Where to send to.
    pub(super) address: &'a str,
}

/// What a message leaves by.
pub(super) struct Way {
    pub(super) message_id: MessageId,
    pub(super) channel: Channel,
    pub(super) connection: Box<dyn Connection>,
    /// Where to send to.
    pub(super) to: String,
}

/// A message, written and checked.
pub(super) struct Letter {
    way: Way,
    request: HttpRequest,
}

/// Writes the letter; the inner error says why it may not leave.
pub(super) async fn write(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: Channel,
    recipient: Recipient<'_>,
    message: &messages::Message,
    uploaded: Option<String>,
    now: DateTime<Utc>,
) -> Result<Result<Letter, String>, Failure> {
    let connection = match connect(assistant, &channel) {
        Ok(Some(connection)) => connection,
        Ok(None) => return Ok(Err("the channel sends nothing".to_owned())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let to = recipient.address.to_owned();
    let mut content = match content_of(message) {
        Ok(content) => content,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut permit = permit_of(&channel, message, &content, recipient.opened_at, now);
    match permit {
        Permit::Refused(refusal) => return Ok(Err(refusal.to_string())),
        Permit::InsteadTemplate(template) => {
            content = Content::Template(*template);
            permit = Permit::Approved;
            let stored = serde_json::to_value(&content).map_err(Failure::retry)?;
            messages::replace_content(tx, message.id, &stored).await?;
        }
        Permit::Free | Permit::HumanAgent | Permit::Approved => {
            put_uploaded(&channel, &mut content, uploaded)?;
        }
    }
    let tag = message.id.to_string();
    let outgoing = Outgoing {
        content: &content,
        to: &to,
        tag: &tag,
        reply_to: None,
        author: message.author,
        permit: &permit,
        now,
    };
    match connection.encode(&outgoing) {
        Ok(request) => {
            let way = Way {
                message_id: message.id,
                channel,
                connection,
                to,
            };
            Ok(Ok(Letter { way, request }))
        }
        Err(unsupported) => Ok(Err(unsupported.to_string())),
    }
}

/// How a message may leave now.
pub(super) fn permit_of(
    channel: &Channel,
    message: &messages::Message,
    content: &Content,
    opened_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Permit {
    let fallback = fallback::of(channel, message);
    adapter(channel.kind).permit(&Situation {
        content,
        author: message.author,
        opened_at,
        fallback: fallback.as_ref(),
        now,
    })
}

/// Names a file as its operator does, who has it by now.
fn put_uploaded(
    channel: &Channel,
    content: &mut Content,
    uploaded: Option<String>,
) -> Result<(), Failure> {
    let Content::Media(media) = content else {
        return Ok(());
    };
    let has_uploads = adapter(channel.kind).capabilities().has_uploads;
    match uploaded {
        Some(id) => media.file = MediaFile::Uploaded(id),
        None if has_uploads && matches!(media.file, MediaFile::Kept(_)) => {
            // What stood in the way of the upload a moment ago does so no more.
            let wait = Duration::from_millis(100);
            return Err(Failure::snooze(wait, "its file has to be uploaded first"));
        }
        None => {}
    }
    Ok(())
}

/// What a message sends: its content, or its text where that is all.
pub(super) fn content_of(message: &messages::Message) -> serde_json::Result<Content> {
    if message.content.get("type").is_some() {
        serde_json::from_value(message.content.clone())
    } else {
        Ok(Content::text(&message.text))
    }
}

/// Gives the message to the channel's operator and notes how that ended.
pub(super) async fn send(
    assistant: &Assistant,
    handle: &JobHandle,
    letter: &Letter,
) -> Result<(), Failure> {
    let way = &letter.way;
    fail_point!("send.before_request");
    // A process that slept past its lease must not send: this is the last look before it leaves.
    handle.check_lease()?;
    let answer = perform(assistant, &letter.request).await;
    fail_point!("send.after_request");
    let tag = way.message_id.to_string();
    let sent = answer
        .map_err(SendError::of_connection)
        .and_then(|answer| way.connection.read_sent(&tag, &answer));
    match sent {
        Ok(sent) => settle_sent(assistant, way, &sent.external_id).await,
        Err(error) => settle_error(assistant, handle, way, error).await,
    }
}

/// What an operator's error means for the message, its job and the channel.
pub(super) async fn settle_error(
    assistant: &Assistant,
    handle: &JobHandle,
    way: &Way,
    error: SendError,
) -> Result<(), Failure> {
    let why = error.to_string();
    tracing::warn!(message.id = %way.message_id, code = error.code, error = %why,
        "a message was not taken");
    let mut tx = assistant.db.tenant(way.channel.tenant_id).await?;
    handle.fence(&mut tx).await?;
    // The message before its channel, and that before its limits: the order of whoever locks them.
    let message = match messages::lock(&mut tx, way.message_id).await {
        // Erased meanwhile, or its channel deleted: what came of it concerns nobody.
        Err(db::Error::NotFound) => return Ok(()),
        found => found?,
    };
    let failures = u32::try_from(handle.job.attempt).unwrap_or(1);
    let Decision {
        mut next,
        pause: pauses,
        health,
    } = decide(way, error.class, failures);
    if error.class == SendClass::WindowClosed
        && fallback::put(&mut tx, &way.channel, &message).await?
    {
        next = Next::Retry {
            after: Duration::ZERO,
        };
    }
    if let Some(found) = health {
        let channel = &way.channel;
        channel_health::note(assistant, &mut tx, channel, found, &why, Witness::Send).await?;
    }
    if let Some(pauses) = pauses {
        let connection = way.connection.as_ref();
        hold_back(&mut tx, way.channel.id, connection, &way.to, pauses).await?;
    }
    let id = message.id;
    let now = assistant.clock.now();
    match next {
        Next::Reconcile => messages::mark_unknown(&mut tx, id, &why, now).await?,
        Next::Retry { .. } => messages::requeue(&mut tx, id, &why).await?,
        Next::GiveUp => fail_message(assistant, &mut tx, id, &why, error.code).await?,
    }
    if error.class == SendClass::OptedOut {
        people::heed_operator(assistant, &mut tx, message.conversation_id).await?;
    }
    tx.commit().await?;
    match next {
        Next::GiveUp => Ok(()),
        Next::Reconcile => Err(wait_for_report(assistant.settings.send_reconcile)),
        Next::Retry { after } => Err(Failure::retry_after(after, error)),
    }
}

/// What to do about a send that failed for the `failures`th time.
fn decide(way: &Way, class: SendClass, failures: u32) -> Decision {
    let decision = class.decide(failures);
    let can = adapter(way.channel.kind).capabilities();
    if decision.next == Next::Reconcile && can.has_idempotent_sends {
        // The receiver drops what it has by its id: there is nothing to wait for.
        let again = SendClass::Retry { after: None }.decide(failures);
        return Decision {
            next: again.next,
            ..decision
        };
    }
    decision
}

/// Keeps other messages from running into the same wall.
pub(super) async fn hold_back(
    tx: &mut TenantTx,
    channel: ChannelId,
    connection: &dyn Connection,
    to: &str,
    pauses: Pause,
) -> Result<(), Failure> {
    // Pauses go by the database's clock, as the engine does.
    let until = |wait: Duration| {
        let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::hours(1));
        domain::Clock::system().now() + wait
    };
    let all = send_key(channel, connection);
    match pauses {
        Pause::Channel(wait) if wait > Duration::ZERO => pause(tx, &all, Some(until(wait))).await,
        Pause::UntilLooked => pause(tx, &all, None).await,
        Pause::Contact(wait) => {
            let limits = connection.limits(&Content::text(""), to);
            match limits.into_iter().find(|limit| limit.is_contacts) {
                Some(limit) => pause(tx, &limit.key, Some(until(wait))).await,
                None => Ok(()),
            }
        }
        Pause::Channel(_) => Ok(()),
    }
}

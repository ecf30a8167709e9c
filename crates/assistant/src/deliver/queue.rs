use std::time::Duration;

use ::channels::{Citations, channel as adapter};
use db::TenantTx;
use domain::{Author, ChannelKind, Content, MessageFileId, MessageId, Source};
use jobs::Failure;
use jobs::control::{self, LimitKey};
use jobs::kinds::SendReply;
use live::{LiveBody, LiveEvent};
use serde_json::{Value, json};
use store::channels::Channel;
use store::conversations::Conversation;
use store::messages::{self, Message};
use store::{channels, conversations};

use super::limits::Limits;
use super::request::content_of;
use crate::people::kept_file;
use crate::{Assistant, Error};

/// A message on its way into a conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMessage<'a> {
    /// Who wrote it.
    pub(crate) author: Author,
    /// The turn it answers.
    pub(crate) turn: Option<i64>,
    /// What it says, in Markdown.
    pub(crate) text: &'a str,
    /// What it rests on.
    pub(crate) sources: &'a [Source],
}

/// Stores a text and enqueues its sends: one message, or several in a row where the channel carries
/// no text as long. Returns them; the first of them is the turn's answer.
///
/// # Errors
/// Those of the database.
pub(crate) async fn queue(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    new: &NewMessage<'_>,
) -> db::Result<Vec<MessageId>> {
    let channel = channels::get(tx, conversation.channel_id).await?;
    queue_on(assistant, tx, &channel, conversation, new).await
}

/// The same on a channel that was just read.
///
/// # Errors
/// Those of the database.
pub(crate) async fn queue_on(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    conversation: &Conversation,
    new: &NewMessage<'_>,
) -> db::Result<Vec<MessageId>> {
    let citations = match channel.kind {
        ChannelKind::Webchat => Citations::Beside,
        ChannelKind::Whatsapp | ChannelKind::Messenger | ChannelKind::Http => Citations::Listed,
    };
    let channel_form = adapter(channel.kind);
    let cited = channel_form.cite(new.text, new.sources, citations);
    let planned = channel_form
        .plan(&Content::text(cited))
        .map_err(|error| db::Error::corrupt(error.to_string()))?;
    let is_whole = planned.len() == 1;
    let limits = Limits::of(assistant, tx, channel, conversation).await?;
    let mut ids = Vec::with_capacity(planned.len());
    for (nth, content) in planned.iter().enumerate() {
        let first = nth == 0;
        let sent = match content {
            Content::Text { body } => body.as_str(),
            _ => new.text,
        };
        // The list of sources is for the contact: it is no part of what was said.
        let text = if is_whole { new.text } else { sent };
        let piece = Piece {
            author: new.author,
            turn: new.turn.filter(|_| first),
            text,
            content: if text == sent {
                json!({})
            } else {
                to_json(content)?
            },
            sources: if first { new.sources } else { &[] },
        };
        let keys = limits.keys(tx, content).await?;
        ids.push(store(tx, conversation, channel.kind, &piece, keys).await?);
    }
    Ok(ids)
}

/// Stores one content that is more than a text, and enqueues its send.
///
/// # Errors
/// `Refused` if the channel carries it in no form, and those of the database.
pub async fn queue_content(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    author: Author,
    content: &Content,
) -> Result<Vec<MessageId>, Error> {
    let channel = channels::get(tx, conversation.channel_id).await?;
    let planned = adapter(channel.kind)
        .plan(content)
        .map_err(|error| Error::Refused(error.to_string()))?;
    let limits = Limits::of(assistant, tx, &channel, conversation).await?;
    let mut ids = Vec::with_capacity(planned.len());
    for content in &planned {
        let piece = Piece {
            author,
            turn: None,
            text: &content.plain_text(),
            content: to_json(content)?,
            sources: &[],
        };
        let keys = limits.keys(tx, content).await?;
        ids.push(store(tx, conversation, channel.kind, &piece, keys).await?);
    }
    Ok(ids)
}

/// Enqueues the send of a message that is stored already, not before `delay` is over.
///
/// # Errors
/// Those of the database.
pub(crate) async fn enqueue_again(
    assistant: &Assistant,
    tx: &mut TenantTx,
    conversation: &Conversation,
    message: &Message,
    delay: Duration,
) -> db::Result<()> {
    let channel = channels::get(tx, conversation.channel_id).await?;
    let limits = Limits::of(assistant, tx, &channel, conversation).await?;
    // What is broken shows when it is to leave.
    let content = content_of(message).unwrap_or_else(|_| Content::text(""));
    let keys = limits.keys(tx, &content).await?;
    let sent = Sent {
        message_id: message.id,
        file_id: kept_file(&message.content).filter(|_| uploads(channel.kind)),
    };
    enqueue(tx, conversation, sent, keys, delay).await
}

/// Whether files go to the channel's operator before their messages.
fn uploads(kind: ChannelKind) -> bool {
    adapter(kind).capabilities().has_uploads
}

/// One message of a channel's.
struct Piece<'a> {
    author: Author,
    turn: Option<i64>,
    text: &'a str,
    content: Value,
    sources: &'a [Source],
}

async fn store(
    tx: &mut TenantTx,
    conversation: &Conversation,
    kind: ChannelKind,
    piece: &Piece<'_>,
    limit_keys: [Option<String>; 2],
) -> db::Result<MessageId> {
    let seq = conversations::add_outbound(tx, conversation.id, piece.turn).await?;
    let new = messages::NewOutbound {
        conversation_id: conversation.id,
        channel_id: conversation.channel_id,
        seq,
        author: piece.author,
        turn: piece.turn,
        text: piece.text,
        content: piece.content.clone(),
        sources: piece.sources,
    };
    let id = messages::insert_outbound(tx, &new).await?;
    let shown = LiveEvent::new(conversation.id, LiveBody::Message { seq });
    live::publish(tx, &shown);
    let sent = Sent {
        message_id: id,
        file_id: kept_file(&piece.content).filter(|_| uploads(kind)),
    };
    enqueue(tx, conversation, sent, limit_keys, Duration::ZERO).await?;
    Ok(id)
}

/// A stored message that is to be sent.
#[derive(Clone, Copy)]
struct Sent {
    message_id: MessageId,
    file_id: Option<MessageFileId>,
}

async fn enqueue(
    tx: &mut TenantTx,
    conversation: &Conversation,
    sent: Sent,
    limit_keys: [Option<String>; 2],
    delay: Duration,
) -> db::Result<()> {
    let job = SendReply {
        tenant_id: tx.tenant(),
        conversation_id: conversation.id,
        message_id: sent.message_id,
        file_id: sent.file_id,
        limit_keys,
        delay,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(())
}

fn to_json(content: &Content) -> db::Result<Value> {
    serde_json::to_value(content)
        .map_err(|error| db::Error::corrupt(format!("the content of a message: {error}")))
}

/// Pauses everything under a key for at least so long; `None`: until somebody resumes it.
pub(super) async fn pause(
    tx: &mut TenantTx,
    key: &str,
    until: Option<chrono::DateTime<chrono::Utc>>,
) -> Result<(), Failure> {
    let key = LimitKey::parse(key).map_err(|error| Failure::dead(error.to_string()))?;
    control::pause_at_least(tx, &key, until)
        .await
        .map_err(Failure::retry)
}

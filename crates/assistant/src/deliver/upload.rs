//! A file that is kept here and goes to an operator who wants it before the message.

use std::time::Duration;

use ::channels::{Permit, SendClass, SendError, Upload};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{Content, MediaKind, MessageFileId, MessageStatus};
use fail::fail_point;
use files::FileKey;
use jobs::kinds::SendReply;
use jobs::{Failure, JobHandle};
use store::message_files::{self, MessageFile};
use store::messages::Message;
use store::{channels, conversations, messages};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;

use super::request::{Way, permit_of, settle_error};
use super::{MAX_SENDS, fail, refusal, time_left};
use crate::Assistant;
use crate::connections::{connect, perform};
use crate::people::{self, kept_media};

/// How many files are on their way out at a time in a process: each is in memory as a whole.
static AT_A_TIME: Semaphore = Semaphore::const_new(4);

/// What a message says whose file is gone.
const GONE: &str = "its file is not there any more";

/// Gives the channel's operator the file of a message that is about to be sent, and returns the
/// operator's id of it. `None`: the receiver fetches it, or there is nothing to send any more, which
/// whoever sends the message finds out. A message that is tried again has its file uploaded again:
/// nobody sees that but the operator.
///
/// # Errors
/// A retry for what may pass; what cannot is the message's `failed`.
pub(super) async fn upload(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &SendReply,
    id: MessageFileId,
) -> Result<Option<String>, Failure> {
    let Some(sending) = prepare(assistant, job, id).await? else {
        return Ok(None);
    };
    let Sending {
        way,
        media_kind,
        file,
    } = &sending;
    let Ok(_turn) = AT_A_TIME.try_acquire() else {
        let wait = Duration::from_millis(500);
        return Err(Failure::snooze(wait, "other files go first"));
    };
    let Some(file) = file else {
        return give_up(assistant, handle, job, GONE).await;
    };
    let bytes = match read(assistant, file).await {
        Ok(bytes) => bytes,
        Err(Some(error)) => return Err(Failure::retry(error)),
        Err(None) => return give_up(assistant, handle, job, GONE).await,
    };
    let request = way.connection.upload(&Upload {
        media_kind: *media_kind,
        mime_type: file
            .media_type
            .as_deref()
            .unwrap_or("application/octet-stream"),
        filename: file.name.as_deref().unwrap_or("file"),
        bytes: &bytes,
    });
    let request = match request {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(None),
        Err(error) => return give_up(assistant, handle, job, &error.to_string()).await,
    };
    handle.check_lease()?;
    let answer = perform(assistant, &request).await;
    fail_point!("send.after_upload");
    let uploaded = answer
        .map_err(SendError::of_connection)
        .and_then(|answer| way.connection.read_uploaded(&answer));
    match uploaded {
        Ok(id) => Ok(Some(id)),
        Err(mut error) => {
            if error.class == SendClass::Unknown {
                // No contact has seen anything yet.
                error.class = SendClass::Retry { after: None };
            }
            settle_error(assistant, handle, way, error).await?;
            Ok(None)
        }
    }
}

/// A file on its way.
struct Sending {
    way: Way,
    media_kind: MediaKind,
    file: Option<MessageFile>,
}

/// What is sent and what by, if the message may leave now.
async fn prepare(
    assistant: &Assistant,
    job: &SendReply,
    id: MessageFileId,
) -> Result<Option<Sending>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    let message = match messages::get(&mut tx, job.message_id).await {
        Err(db::Error::NotFound) => return Ok(None),
        found => found?,
    };
    let now = assistant.clock.now();
    let media = kept_media(&message.content).filter(|_| is_due(assistant, &message, now));
    let Some((_, media)) = media else {
        return Ok(None);
    };
    let party = conversations::get_with_contact(&mut tx, message.conversation_id).await?;
    let (conversation, contact) = party;
    let channel = channels::get(&mut tx, message.channel_id).await?;
    let file = match message_files::get(&mut tx, id).await {
        Err(db::Error::NotFound) => None,
        found => Some(found?),
    };
    drop(tx);
    let media_kind = media.media_kind;
    let content = Content::Media(media);
    let opened_at = conversation.window_opened_at;
    let permit = permit_of(&channel, &message, &content, opened_at, now);
    let may_leave = people::is_unwanted(&message, &contact).is_none()
        && refusal(&message, &conversation, &channel).is_none()
        && !matches!(permit, Permit::Refused(_) | Permit::InsteadTemplate(_));
    // What is broken about the channel is told where the message is written.
    let connection = connect(assistant, &channel).ok().flatten();
    Ok(connection.filter(|_| may_leave).map(|connection| {
        let way = Way {
            message_id: message.id,
            channel,
            connection,
            to: contact.send_to().to_owned(),
        };
        Sending {
            way,
            media_kind,
            file,
        }
    }))
}

/// Whether a message is to be sent now.
fn is_due(assistant: &Assistant, message: &Message, now: DateTime<Utc>) -> bool {
    match message.status {
        MessageStatus::Queued => true,
        MessageStatus::Unknown => {
            message.send_attempts < MAX_SENDS
                && time_left(assistant, message.unknown_at, now).is_zero()
        }
        _ => false,
    }
}

/// The bytes of a file; `None` as the error: it is gone.
async fn read(assistant: &Assistant, file: &MessageFile) -> Result<Bytes, Option<files::Error>> {
    let key: FileKey = match file.file_key.as_deref().map(str::parse) {
        Some(Ok(key)) => key,
        _ => return Err(None),
    };
    let mut opened = match assistant.files.open(&key).await {
        Err(files::Error::NotFound { .. }) => return Err(None),
        opened => opened.map_err(Some)?,
    };
    let mut bytes = Vec::with_capacity(usize::try_from(file.size_bytes.unwrap_or(0)).unwrap_or(0));
    match opened.read_to_end(&mut bytes).await {
        Ok(_) => Ok(bytes.into()),
        Err(source) => Err(Some(files::Error::Io {
            path: assistant.files.path(&key),
            source,
        })),
    }
}

async fn give_up(
    assistant: &Assistant,
    handle: &JobHandle,
    job: &SendReply,
    why: &str,
) -> Result<Option<String>, Failure> {
    let mut tx = assistant.db.tenant(job.tenant_id).await?;
    handle.fence(&mut tx).await?;
    fail(assistant, &mut tx, job.message_id, why, None).await?;
    tx.commit().await?;
    Ok(None)
}

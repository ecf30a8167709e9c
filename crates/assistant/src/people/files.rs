use ::channels::{Connection, FileTraits, MediaError};
use db::TenantTx;
use domain::{Content, ConversationId, MediaFile, MediaKind, MessageFileId, OutgoingMedia};
use files::Stored;
use store::message_files::{self, KeptMessageFile};
use store::messages::Message;
use store::{channels, conversations};

use super::agents::{check_wanted, send_message};
use crate::connections::connect;
use crate::{Assistant, Error};

/// A file that a person of the tenant's sends.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Where it is kept, and what it is.
    pub stored: Stored,
    /// Its name, without folders.
    pub name: String,
    /// What it was recognised as.
    pub media_type: &'static str,
    /// What it is shown as where the channel takes it so.
    pub media_kind: MediaKind,
}

/// Checks that somebody may write to the contact at all, before a file for it is read.
///
/// # Errors
/// `NotFound`; `Conflict` for a contact who wants no messages; and those of the database.
pub async fn check_writable(tx: &mut TenantTx, id: ConversationId) -> Result<(), Error> {
    let conversation = conversations::get(tx, id).await?;
    check_wanted(tx, conversation.contact_id).await
}

/// A person of the tenant's sends a file, which is kept already, as [`send_message`] sends words. It
/// belongs to its message from then on, and goes when that goes. Where the channel does not take it as
/// what it is, it is sent as a document.
///
/// # Errors
/// Those of [`send_message`]; `Refused` for a file that the channel does not take.
pub async fn send_file(
    assistant: &Assistant,
    tx: &mut TenantTx,
    id: ConversationId,
    file: &NewFile,
    caption: Option<&str>,
    from: Option<&str>,
) -> Result<Vec<Message>, Error> {
    let conversation = conversations::get(tx, id).await?;
    let channel = channels::get(tx, conversation.channel_id).await?;
    let connection = connect(assistant, &channel)?;
    let media_kind = fitting_kind(connection.as_deref(), file)
        .map_err(|error| Error::Refused(error.to_string()))?;
    let file_id = MessageFileId::new();
    let content = Content::Media(OutgoingMedia {
        media_kind,
        file: MediaFile::Kept(file_id),
        caption: caption.map(str::to_owned),
        filename: Some(file.name.clone()),
        media_type: Some(file.media_type.to_owned()),
        voice: false,
    });
    let sent = send_message(assistant, tx, id, &content, from).await?;
    let bearer = sent
        .iter()
        .find(|message| kept_file(&message.content) == Some(file_id))
        .ok_or_else(|| Error::Refused("the channel carries no files".to_owned()))?;
    let kept = KeptMessageFile {
        id: file_id,
        message_id: bearer.id,
        media_kind: media_kind.as_str(),
        name: &file.name,
        media_type: file.media_type,
        file_key: &file.stored.key.to_string(),
        size_bytes: i64::try_from(file.stored.size_bytes).unwrap_or(i64::MAX),
        sha256: &file.stored.sha256,
        at: assistant.clock.now(),
    };
    message_files::insert_kept(tx, &kept).await?;
    Ok(sent)
}

/// The file that a stored message sends, where it is kept here.
pub(crate) fn kept_file(content: &serde_json::Value) -> Option<MessageFileId> {
    kept_media(content).map(|(id, _)| id)
}

/// The same with what is said of it.
pub(crate) fn kept_media(content: &serde_json::Value) -> Option<(MessageFileId, OutgoingMedia)> {
    use serde::Deserialize as _;
    match Content::deserialize(content) {
        Ok(Content::Media(media)) => match media.file {
            MediaFile::Kept(id) => Some((id, media)),
            MediaFile::Uploaded(_) | MediaFile::Link(_) => None,
        },
        _ => None,
    }
}

/// As what the channel takes the file: as what it is, else as a document.
fn fitting_kind(
    connection: Option<&dyn Connection>,
    file: &NewFile,
) -> Result<MediaKind, MediaError> {
    let Some(connection) = connection else {
        return Ok(file.media_kind);
    };
    let check = |media_kind| {
        connection.check_file(&FileTraits {
            media_kind,
            mime_type: file.media_type,
            size_bytes: file.stored.size_bytes,
        })
    };
    match check(file.media_kind) {
        Ok(()) => Ok(file.media_kind),
        Err(_) => check(MediaKind::Document).map(|()| MediaKind::Document),
    }
}

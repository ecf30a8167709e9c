use bytes::Bytes;
use channels::webchat::AttachmentType;
use domain::AttachmentId;
use files::{FileKey, Files, Stored};
use futures::Stream;
use store::message_files;
use store::webchat_attachments::{self, WebchatAttachment};
use uuid::Uuid;

use super::{Session, Webchat};
use crate::Error;

/// A visitor's file as it comes in.
#[derive(Debug)]
pub struct Incoming<S> {
    /// Its name, without folders.
    pub name: String,
    /// What it was recognised as.
    pub media_type: AttachmentType,
    /// Its content.
    pub content: S,
}

/// A file that a visitor may have.
#[derive(Clone, Debug)]
pub struct VisitorFile {
    /// Where it is kept.
    pub file_key: String,
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub size_bytes: i64,
}

impl Webchat {
    /// Checks that a session may send one more file, before any of it is read.
    ///
    /// # Errors
    /// `RateLimited` if it has its most, and those of the database.
    pub async fn check_attachment(&self, session: &Session) -> Result<(), Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        let count = webchat_attachments::count(&mut tx, session.id()).await?;
        if count < i64::from(self.caps.files_per_session) {
            Ok(())
        } else {
            Err(self.until_the_end(session))
        }
    }

    /// Stores a visitor's file, to go with a message within a day.
    ///
    /// # Errors
    /// `RateLimited` if the session has its most, those of the database, and the outer ones of
    /// storing the file.
    pub async fn store_attachment<S, E>(
        &self,
        session: &Session,
        incoming: Incoming<S>,
    ) -> Result<Result<WebchatAttachment, Error>, files::Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Incoming {
            name,
            media_type,
            content,
        } = incoming;
        let max_bytes = self.caps.max_file_bytes;
        let stored = self
            .files
            .put_stream(session.tenant_id(), content, max_bytes)
            .await?;
        let recorded = self.record(session, &stored, name, media_type).await;
        let may_be_done = matches!(&recorded, Err(Error::Db(error)) if !error.is_refusal());
        if recorded.is_err() && !may_be_done {
            // Else a row may lead to it, or the sweep of files finds it.
            delete_file(&self.files, stored.key).await;
        }
        Ok(recorded)
    }

    async fn record(
        &self,
        session: &Session,
        stored: &Stored,
        name: String,
        media_type: AttachmentType,
    ) -> Result<WebchatAttachment, Error> {
        let attachment = WebchatAttachment {
            id: AttachmentId::new(),
            channel_id: session.channel_id(),
            visitor_id: session.row.visitor_id.clone(),
            file_key: stored.key.to_string(),
            name,
            media_type: media_type.as_str().to_owned(),
            size_bytes: i64::try_from(stored.size_bytes).unwrap_or(i64::MAX),
            sha256: stored.sha256.to_vec(),
        };
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        let max = i64::from(self.caps.files_per_session);
        let now = self.clock.now();
        let inserted =
            webchat_attachments::insert(&mut tx, session.id(), &attachment, now, max).await?;
        tx.commit().await?;
        if inserted {
            Ok(attachment)
        } else {
            Err(self.until_the_end(session))
        }
    }

    /// Gets a file that a session's visitor sent or was sent.
    ///
    /// # Errors
    /// `NotFound` if it is not there or another visitor's, and those of the database.
    pub async fn get_file(&self, session: &Session, id: Uuid) -> Result<VisitorFile, Error> {
        match self.get_attachment(session, id.into()).await {
            Ok(own) => Ok(VisitorFile {
                file_key: own.file_key,
                name: own.name,
                media_type: own.media_type,
                size_bytes: own.size_bytes,
            }),
            Err(Error::NotFound) => self.get_sent_file(session, id).await,
            Err(error) => Err(error),
        }
    }

    async fn get_sent_file(&self, session: &Session, id: Uuid) -> Result<VisitorFile, Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        let (channel, visitor) = (session.channel_id(), &session.row.visitor_id);
        let found = message_files::get_of_visitor(&mut tx, id.into(), channel, visitor).await;
        let file = match found {
            Err(db::Error::NotFound) => return Err(Error::NotFound),
            found => found?,
        };
        let whole = file.file_key.zip(file.name).zip(file.media_type);
        let ((file_key, name), media_type) = whole.ok_or(Error::NotFound)?;
        Ok(VisitorFile {
            file_key,
            name,
            media_type,
            size_bytes: file.size_bytes.unwrap_or_default(),
        })
    }

    /// Gets a file that a session's visitor sent.
    ///
    /// # Errors
    /// `NotFound` if it is not there or another visitor's, and those of the database.
    pub async fn get_attachment(
        &self,
        session: &Session,
        id: AttachmentId,
    ) -> Result<WebchatAttachment, Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        webchat_attachments::find(&mut tx, id)
            .await?
            .filter(|file| {
                file.channel_id == session.channel_id() && file.visitor_id == session.row.visitor_id
            })
            .ok_or(Error::NotFound)
    }

    /// What a session is told that has its most: it has no more until it ends.
    pub(super) fn until_the_end(&self, session: &Session) -> Error {
        let left = session.expires_at() - self.clock.now();
        Error::RateLimited {
            retry_after: left.to_std().unwrap_or_default(),
        }
    }
}

async fn delete_file(files: &Files, key: FileKey) {
    if let Err(error) = files.delete(&key).await {
        tracing::warn!(%error, %key, "a visitor's file was not removed");
    }
}

use channels::webchat::{Attached, Item};
use domain::{AttachmentId, ChannelKind};
use fail::fail_point;
use store::{messages, webchat_attachments, webchat_sessions};

use super::{Session, Webchat};
use crate::Error;
use crate::receive::{Intake, Item as KeptItem, ItemOwner};

/// A visitor's message that will not be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The client's own id of it.
    pub client_id: String,
    /// Whether the conversation had it already.
    pub duplicate: bool,
}

/// What a visitor writes.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The words, 1 to 4000 characters; may be empty beside a file.
    pub text: String,
    /// The client's own id of it, 1 to 100 characters.
    pub client_id: String,
    /// The visitor's file that goes with it.
    pub attachment_id: Option<AttachmentId>,
}

impl Webchat {
    /// Takes a visitor's message: kept, with its job, when this returns.
    ///
    /// The same `client_id` again in the same session is the same message. One that is refused
    /// later, because two came at the same instant, counts against the session all the same.
    ///
    /// # Errors
    /// `Refused` for a text or an id that is empty or too long, or a file that is none of the
    /// visitor's, `RateLimited` for more than a minute or the session allows, and those of the
    /// database.
    pub async fn post_message(
        &self,
        session: &Session,
        message: NewMessage,
    ) -> Result<Accepted, Error> {
        self.pacing.check(session.id())?;
        let now = self.clock.now();
        let NewMessage {
            text,
            client_id,
            attachment_id,
        } = message;
        let attachment = match attachment_id {
            Some(id) => Some(self.attach(session, id).await?),
            None => None,
        };
        let item = Item {
            session_id: session.id(),
            visitor_id: session.row.visitor_id.clone(),
            client_id: client_id.clone(),
            text,
            attachment,
            occurred_at: now,
        };
        let raw = item.into_raw_item().map_err(|errors| {
            let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Error::Refused(said.join("; "))
        })?;
        if !self.count(session, &client_id, attachment_id).await? {
            return Ok(Accepted {
                client_id,
                duplicate: true,
            });
        }
        let mut tx = self.db.system().await?;
        let kept = KeptItem {
            owner: ItemOwner::Channel(session.tenant_id(), session.channel_id()),
            kind: raw.kind,
            payload: raw.payload,
        };
        Intake::new(&mut tx, ChannelKind::Webchat, now)
            .keep(vec![kept])
            .await?;
        fail_point!("intake.before_commit");
        tx.commit().await?;
        fail_point!("intake.after_commit");
        Ok(Accepted {
            client_id,
            duplicate: false,
        })
    }

    /// Counts a message against its session; false if it is there already.
    async fn count(
        &self,
        session: &Session,
        client_id: &str,
        attachment_id: Option<AttachmentId>,
    ) -> Result<bool, Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        let external_id = format!("{}:{client_id}", session.id());
        let known =
            messages::find_by_external_id(&mut tx, session.channel_id(), &external_id).await?;
        if known.is_some() {
            return Ok(false);
        }
        let max = i32::try_from(self.caps.messages_per_session).unwrap_or(i32::MAX);
        let counted = webchat_sessions::count_message(&mut tx, session.id(), max).await?;
        if let Some(id) = attachment_id.filter(|_| counted) {
            webchat_attachments::mark_sent(&mut tx, id, self.clock.now()).await?;
        }
        tx.commit().await?;
        if counted {
            Ok(true)
        } else {
            Err(self.until_the_end(session))
        }
    }

    /// The visitor's own file, as it goes with a message.
    async fn attach(&self, session: &Session, id: AttachmentId) -> Result<Attached, Error> {
        match self.get_attachment(session, id).await {
            Ok(file) => Ok(Attached {
                id,
                name: file.name,
                media_type: file.media_type,
                sha256: hex::encode(file.sha256),
            }),
            Err(Error::NotFound) => Err(Error::Refused(
                "attachment_id: is no file of this visitor's".to_owned(),
            )),
            Err(error) => Err(error),
        }
    }
}

use std::time::Duration;

use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{
    Author, ContentBody, ConversationId, ConversationStatus, Direction, MediaKind, MessageId,
    MessageStatus, NormalizedContent, Source,
};
use serde::Deserialize as _;
use store::messages::Message;
use store::{conversations, webchat_sessions};
use uuid::Uuid;

use super::presence::agent_until;
use super::{Happening, Place, Session, Webchat};
use crate::Error;
use crate::people::kept_media;

/// A message as the visitor may see it.
#[derive(Clone, Debug)]
pub struct VisitorMessage {
    /// Its id.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Its position in the conversation, from 1.
    pub seq: i64,
    /// Which way it goes: `inbound` is the visitor's own.
    pub direction: Direction,
    /// Who wrote it.
    pub author: Author,
    /// The turn it belongs to, or answers.
    pub turn: Option<i64>,
    /// What it says.
    pub text: String,
    /// How far it has come.
    pub status: MessageStatus,
    /// What an answer rests on.
    pub sources: Vec<Source>,
    /// The file that came with it.
    pub attachment: Option<Attachment>,
    /// The client's own id of it, for the visitor's own.
    pub client_id: Option<String>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

/// A file that came with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// What it is downloaded by.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its media type, for example `image/png`.
    pub media_type: String,
    /// What it is shown as.
    pub media_kind: MediaKind,
}

/// The file of a message, and the words written under it.
fn attachment_of(message: &Message) -> Option<(Attachment, String)> {
    if message.direction == Direction::Outbound {
        let (id, media) = kept_media(&message.content)?;
        let attachment = Attachment {
            id: id.as_uuid(),
            name: media.filename?,
            media_type: media.media_type?,
            media_kind: media.media_kind,
        };
        return Some((attachment, media.caption.unwrap_or_default()));
    }
    let content = NormalizedContent::deserialize(&message.content).ok()?;
    let ContentBody::Media(media) = content.body else {
        return None;
    };
    let attachment = Attachment {
        id: media.id?.parse().ok()?,
        name: media.filename?,
        media_type: media.mime_type?,
        media_kind: media.media_kind,
    };
    Some((attachment, media.caption.unwrap_or_default()))
}

impl From<Message> for VisitorMessage {
    fn from(message: Message) -> Self {
        let own = message.direction == Direction::Inbound;
        let (attachment, text) = match attachment_of(&message) {
            Some((attachment, words)) => (Some(attachment), words),
            None => (None, message.text),
        };
        // A web chat's message is named `<session>:<client id>`.
        let name = message.external_id.filter(|_| own);
        let client_id = name.as_deref().and_then(|name| name.split_once(':'));
        Self {
            client_id: client_id.map(|(_, client_id)| client_id.to_owned()),
            id: message.id,
            conversation_id: message.conversation_id,
            seq: message.seq,
            direction: message.direction,
            author: message.author,
            turn: message.turn,
            text,
            attachment,
            status: message.status,
            sources: message.sources,
            created_at: message.created_at,
        }
    }
}

/// Messages of the conversation that a visitor is in.
#[derive(Clone, Debug)]
pub struct Thread {
    /// The conversation and where it stands; `None` before the first message is stored.
    pub conversation: Option<(ConversationId, ConversationStatus)>,
    /// The messages, by `seq`.
    pub messages: Vec<VisitorMessage>,
    /// Whether there are more after them.
    pub more: bool,
}

impl Webchat {
    /// Lists messages of the conversation that a session's visitor is in, by `seq`: of the open one,
    /// else of the latest.
    ///
    /// `after` counts in conversation `of`; if the visitor is in another one by now, the list starts
    /// at its beginning. `None` takes `after` as it is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_messages(
        &self,
        session: &Session,
        of: Option<ConversationId>,
        after: i64,
        limit: usize,
    ) -> Result<Thread, Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        read_thread(&mut tx, session, of, after, limit).await
    }

    /// Reads the messages that [`Webchat::list_messages`] lists, and until when some agent counts as
    /// there.
    pub(super) async fn read(
        &self,
        session: &Session,
        of: Option<ConversationId>,
        after: i64,
        limit: usize,
    ) -> Result<(Thread, Option<DateTime<Utc>>), Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        let thread = read_thread(&mut tx, session, of, after, limit).await?;
        let agent = match thread.conversation {
            Some((id, _)) => agent_until(&mut tx, id, self.clock.now()).await?,
            None => None,
        };
        Ok((thread, agent))
    }

    /// Lists messages as [`Webchat::list_messages`] does; if there are none yet, waits for one up to
    /// `wait`.
    ///
    /// # Errors
    /// Those of the database, and `Unauthenticated` if the session ends meanwhile.
    pub async fn wait_for_messages(
        &self,
        session: &Session,
        from: Place,
        limit: usize,
        wait: Duration,
    ) -> Result<Thread, Error> {
        let Place {
            conversation_id,
            after,
        } = from;
        let thread = self
            .list_messages(session, conversation_id, after, limit)
            .await?;
        if !thread.messages.is_empty() || wait.is_zero() {
            return Ok(thread);
        }
        let mut follow = self.follow_unseen(session.clone(), from);
        let message = async {
            while !matches!(follow.next().await?, Happening::Message(_)) {}
            Ok(())
        };
        match tokio::time::timeout(wait, message).await {
            Ok(Ok(())) => {
                self.list_messages(session, conversation_id, after, limit)
                    .await
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(thread),
        }
    }
}

async fn read_thread(
    tx: &mut TenantTx,
    session: &Session,
    of: Option<ConversationId>,
    after: i64,
    limit: usize,
) -> Result<Thread, Error> {
    let channel = session.channel_id();
    let visitor = &session.row.visitor_id;
    let Some(id) = webchat_sessions::find_conversation(tx, channel, visitor).await? else {
        return Ok(Thread {
            conversation: None,
            messages: Vec::new(),
            more: false,
        });
    };
    let conversation = conversations::get(tx, id).await?;
    let after = if of.is_none_or(|of| of == id) {
        after
    } else {
        0
    };
    let page = store::messages::list(tx, id, after, limit).await?;
    Ok(Thread {
        conversation: Some((id, conversation.status)),
        more: page.next_cursor.is_some(),
        messages: page.data.into_iter().map(VisitorMessage::from).collect(),
    })
}

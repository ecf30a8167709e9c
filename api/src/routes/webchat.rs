use std::sync::Arc;
use std::time::Duration;

use assistant::webchat::{
    Attachment, Identity, NewMessage, Opening, Place, Session, VisitorMessage,
};
use channels::webchat::{MAX_CLIENT_ID_CHARS, MAX_TEXT_CHARS};
use chrono::{DateTime, Utc};
use poem::Request;
use poem::http::header;
use poem::web::Data;
use poem_openapi::auth::Bearer;
use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi, SecurityScheme};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use uuid::Uuid;

use super::Tag;
use crate::answer::{Accepted, Answer, Created, Found};
use crate::live::client_address;
use crate::payload::{Checks, JsonBody, OptionalBody};
use crate::{AppState, Problem};

/// The longest a request may wait for a message, in seconds.
const MAX_WAIT_SECONDS: u32 = 25;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 100;

/// A web chat session's token, sent as `Authorization: Bearer …`.
#[derive(SecurityScheme)]
#[oai(rename = "webchat_token", ty = "bearer", checker = "known_visitor")]
pub(super) struct Visitor(pub(super) Session);

async fn known_visitor(request: &Request, bearer: Bearer) -> poem::Result<Session> {
    let Some(state) = request.data::<Arc<AppState>>() else {
        return Err(Problem::internal("the state is not set").into());
    };
    let found = state
        .webchat
        .authenticate(&bearer.token, origin_of(request));
    Ok(found.await.map_err(Problem::from)?)
}

/// A session in a web chat.
#[derive(Object)]
#[oai(rename = "WebchatSession")]
struct SessionView {
    /// Its id.
    session_id: Uuid,
    /// What the visitor sends as `Authorization: Bearer …`. Keep it: it is shown this once.
    token: String,
    /// Who visits: the same for a user who logged in again, and for a visitor who showed an earlier
    /// token.
    visitor_id: String,
    /// When the token stops working.
    expires_at: DateTime<Utc>,
    /// What stands above the chat.
    title: String,
    /// What the visitor reads first.
    greeting: String,
    /// The chat's main colour, `#rrggbb`.
    colour: String,
}

/// What opens a session.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "CreateWebchatSession")]
struct CreateSession {
    /// Who the visitor is, where your own server vouches for it.
    identity: Option<IdentityBody>,
}

/// A logged-in user, as your own server vouches.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "WebchatIdentity")]
struct IdentityBody {
    /// Your own id of the user, 1 to 120 characters: the same user is the same contact on every
    /// device.
    user_id: String,
    /// When the hash stops counting, in seconds since 1970; missing: never.
    expires_at: Option<i64>,
    /// What the user is called, 1 to 200 characters.
    name: Option<String>,
    /// The user's mail address, 1 to 254 characters.
    email: Option<String>,
    /// HMAC-SHA256 under the chat's identity secret, in hexadecimal, of `user_id` and, below it, a
    /// line `expires_at=…`, `name=…`, `email=…` for each of these that is sent, in this order.
    hash: String,
}

impl From<IdentityBody> for Identity {
    fn from(body: IdentityBody) -> Self {
        Self {
            user_id: body.user_id,
            expires_at: body.expires_at,
            name: body.name,
            email: body.email,
            hash: body.hash,
        }
    }
}

/// What a visitor writes.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "CreateWebchatMessage", example)]
struct CreateMessage {
    /// The words, 1 to 4000 characters; may be left out beside a file.
    #[serde(default)]
    #[oai(default)]
    text: String,
    /// The client's own id of the message, 1 to 100 characters: sent again, it is the same message.
    client_id: String,
    /// The file that goes with it, uploaded before.
    attachment_id: Option<Uuid>,
}

impl poem_openapi::types::Example for CreateMessage {
    fn example() -> Self {
        Self {
            text: "When do you open?".to_owned(),
            client_id: "7c1f0a".to_owned(),
            attachment_id: None,
        }
    }
}

/// A message that will not be lost.
#[derive(Debug, Object)]
#[oai(rename = "WebchatMessageAccepted")]
struct AcceptedMessage {
    /// The client's own id of it.
    client_id: String,
    /// Always `accepted`.
    status: String,
    /// Whether it was there already.
    duplicate: bool,
}

/// A message of a web chat.
#[derive(Debug, Object)]
#[oai(rename = "WebchatMessage")]
pub(crate) struct MessageView {
    /// Its id.
    id: Uuid,
    /// Its conversation.
    conversation_id: Uuid,
    /// Its position in the conversation, from 1.
    seq: i64,
    /// `inbound`: the visitor's own; `outbound`: to the visitor.
    direction: String,
    /// Who wrote it: `contact`, `assistant`, `agent` or `system`.
    author: String,
    /// The turn it belongs to, or answers.
    turn: Option<i64>,
    /// The words; of a file, those written under it.
    text: String,
    /// How far it has come: inbound `received`; outbound `queued`, `sending`, `sent`, `failed` or
    /// `unknown`.
    status: String,
    /// The passages that an answer rests on.
    sources: Vec<SourceView>,
    /// The file that came with it.
    attachment: Option<AttachmentView>,
    /// The client's own id of it, for the visitor's own.
    client_id: Option<String>,
    /// When it was stored.
    created_at: DateTime<Utc>,
}

/// A file that came with a message.
#[derive(Debug, Object)]
#[oai(rename = "WebchatMessageAttachment")]
struct AttachmentView {
    /// What it is downloaded by.
    id: Uuid,
    /// Its name.
    name: String,
    /// Its media type, for example `image/png`.
    media_type: String,
}

impl AttachmentView {
    fn of(attachment: Attachment) -> Self {
        Self {
            id: attachment.id,
            name: attachment.name,
            media_type: attachment.media_type,
        }
    }
}

/// A passage that an answer rests on, as a visitor sees it.
#[derive(Debug, Object)]
#[oai(rename = "WebchatSource")]
struct SourceView {
    /// The number the answer cites it by, from 1.
    number: u32,
    /// The document's title, or its file name.
    title: String,
    /// The page it starts on, from 1, where the document has pages.
    page: Option<i32>,
    /// The heading it stands under.
    heading: Option<String>,
    /// The start of its text.
    excerpt: String,
}

impl MessageView {
    /// Shows a message to its visitor.
    pub(crate) fn of(message: VisitorMessage) -> Self {
        let sources = message.sources.into_iter().map(|source| SourceView {
            number: source.number,
            title: source.title,
            page: source.page,
            heading: source.heading,
            excerpt: source.excerpt,
        });
        Self {
            id: message.id.as_uuid(),
            conversation_id: message.conversation_id.as_uuid(),
            seq: message.seq,
            direction: message.direction.to_string(),
            author: message.author.to_string(),
            turn: message.turn,
            text: message.text,
            status: message.status.to_string(),
            sources: sources.collect(),
            attachment: message.attachment.map(AttachmentView::of),
            client_id: message.client_id,
            created_at: message.created_at,
        }
    }
}

/// Messages of the conversation that a visitor is in.
#[derive(Debug, Object)]
#[oai(rename = "WebchatMessages")]
struct MessagesView {
    /// The messages, by `seq`.
    data: Vec<MessageView>,
    /// What to send as `after` for those that follow at once; `null` if there are none yet.
    next_cursor: Option<String>,
    /// The conversation, in which `seq` counts; `null` before the first message is stored.
    conversation_id: Option<Uuid>,
    /// Where it stands: `open`, `waiting`, `assigned_human`, `resolved` or `closed`.
    conversation_status: Option<String>,
}

pub(crate) struct WebchatRoutes;

#[OpenApi(prefix_path = "/api/webchat", tag = "Tag::Webchat")]
impl WebchatRoutes {
    /// Open a web chat session
    ///
    /// Needs no key: this is what a visitor's browser does. A visitor who was here before sends the
    /// earlier token as `Authorization: Bearer …` and keeps the conversation; a user who logged in
    /// at your site keeps it on every device by the `identity` that your server signed.
    #[oai(
        path = "/:channel_id/sessions",
        method = "post",
        operation_id = "create_webchat_session"
    )]
    async fn open(
        &self,
        request: &Request,
        state: Data<&Arc<AppState>>,
        /// The web chat.
        channel_id: Path<Uuid>,
        body: OptionalBody<CreateSession>,
    ) -> Result<Created<SessionView>, Problem> {
        let earlier = request.header(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let identity = body.0.and_then(|body| body.identity);
        let opening = Opening {
            channel_id: channel_id.0.into(),
            origin: origin_of(request),
            address: client_address(request, state.trust_forwarded_for),
            earlier_token: earlier,
            identity: identity.map(Identity::from),
        };
        let opened = state.webchat.open_session(opening).await?;
        Ok(Answer(SessionView {
            session_id: opened.session_id.as_uuid(),
            token: opened.token.expose_secret().to_owned(),
            visitor_id: opened.visitor_id,
            expires_at: opened.expires_at,
            title: opened.config.title,
            greeting: opened.config.greeting,
            colour: opened.config.colour,
        }))
    }

    /// Write a message in a web chat
    ///
    /// 202 means that it will not be lost; it appears in the list a moment later.
    #[oai(
        path = "/messages",
        method = "post",
        operation_id = "create_webchat_message"
    )]
    async fn create(
        &self,
        state: Data<&Arc<AppState>>,
        visitor: Visitor,
        body: JsonBody<CreateMessage>,
    ) -> Result<Accepted<AcceptedMessage>, Problem> {
        let CreateMessage {
            text,
            client_id,
            attachment_id,
        } = body.value;
        let mut checks = Checks::default();
        if attachment_id.is_none() || !text.is_empty() {
            checks.text("text", &text, MAX_TEXT_CHARS);
        }
        checks.text("client_id", &client_id, MAX_CLIENT_ID_CHARS);
        checks.finish()?;
        let message = NewMessage {
            text,
            client_id,
            attachment_id: attachment_id.map(Into::into),
        };
        let accepted = state.webchat.post_message(&visitor.0, message).await?;
        Ok(Answer(AcceptedMessage {
            client_id: accepted.client_id,
            status: "accepted".to_owned(),
            duplicate: accepted.duplicate,
        }))
    }

    /// List the messages of a web chat
    ///
    /// Those of the conversation the visitor is in, oldest first: the open one, else the latest.
    #[oai(
        path = "/messages",
        method = "get",
        operation_id = "list_webchat_messages"
    )]
    async fn list(
        &self,
        state: Data<&Arc<AppState>>,
        visitor: Visitor,
        /// The `seq` of the last message that was seen; 0 if missing.
        after: Query<Option<i64>>,
        /// The conversation that `after` counts in: if the visitor is in another one by now, the
        /// list starts at its beginning.
        conversation_id: Query<Option<Uuid>>,
        /// Seconds to wait for a message if there is none, up to 25; 0 if missing.
        wait: Query<Option<u32>>,
        /// Entries of a page, 1 to 100; 50 if missing.
        limit: Query<Option<u32>>,
    ) -> Result<Found<MessagesView>, Problem> {
        let from = Place {
            conversation_id: conversation_id.0.map(Into::into),
            after: after.0.unwrap_or(0).max(0),
        };
        let limit = limit.0.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
        let wait = Duration::from_secs(wait.0.unwrap_or(0).min(MAX_WAIT_SECONDS).into());
        let thread = tokio::select! {
            thread = state.webchat.wait_for_messages(&visitor.0, from, limit, wait) => thread?,
            () = state.live.closing() => {
                let Place { conversation_id, after } = from;
                state.webchat.list_messages(&visitor.0, conversation_id, after, limit).await?
            }
        };
        let last = thread.messages.last().filter(|_| thread.more);
        Ok(Answer(MessagesView {
            next_cursor: last.map(|message| message.seq.to_string()),
            conversation_id: thread.conversation.map(|(id, _)| id.as_uuid()),
            conversation_status: thread.conversation.map(|(_, status)| status.to_string()),
            data: thread.messages.into_iter().map(MessageView::of).collect(),
        }))
    }
}

/// The page that asks; one that cannot be read is none that may.
fn origin_of(request: &Request) -> Option<&str> {
    let origin = request.headers().get(header::ORIGIN)?;
    Some(origin.to_str().unwrap_or_default())
}

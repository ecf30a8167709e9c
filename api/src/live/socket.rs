use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assistant::webchat::{Follow, Happening, NewMessage, Place, Session, Webchat};
use fail::fail_point;
use poem::http::header;
use poem_openapi::types::ToJSON as _;
use serde::Serialize;
use socketioxide::extract::{AckSender, Extension, SocketRef, TryData};
use socketioxide::{SendError, SocketError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::events::{self, Ack, Auth, Post, Refusal, Typing, VisitorTyping};
use super::line::{InLine, Line};
use super::slots::{Slot, Slots};
use crate::routes::webchat::MessageView;

/// Where web chats connect.
pub(super) const NAMESPACE: &str = "/webchat";

/// The shortest time between two `typing` events that are passed on.
const TYPING_PACE: Duration = Duration::from_secs(1);

/// How often a packet is tried again that a slow client has no room for.
const ROOM_RETRY: Duration = Duration::from_millis(50);

/// After how many tries a slow client is let go; it resumes where it was.
const ROOM_RETRIES: u32 = 400;

/// How long to wait when the database is away.
const RECONNECT: Duration = Duration::from_secs(1);

/// What connections need.
#[derive(Clone)]
pub(super) struct Chats {
    pub(super) webchat: Webchat,
    pub(super) slots: Arc<Slots>,
}

/// One admitted connection.
#[derive(Clone)]
pub(super) struct Connection {
    webchat: Webchat,
    session: Session,
    from: Place,
    wishes: mpsc::Sender<Wish>,
    inbox: Arc<Mutex<Option<mpsc::Receiver<Wish>>>>,
    last_typing: Arc<Mutex<Option<Instant>>>,
    line: Line,
    _slot: Arc<Slot>,
}

/// What a client wants of the task that follows its conversation.
enum Wish {
    Resume(Place),
    ExpectAnswer,
    Typing(bool),
}

type Admission = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// Lets connections in that show a token, from a page that may, while their session has room.
pub(super) fn admission(
    chats: Chats,
) -> impl Fn(SocketRef, TryData<Auth>) -> Admission + Clone + Send + Sync + 'static {
    move |socket, TryData(auth)| {
        let chats = chats.clone();
        Box::pin(async move { admit(&chats, &socket, auth.ok()).await })
    }
}

async fn admit(chats: &Chats, socket: &SocketRef, auth: Option<Auth>) -> Result<(), Refusal> {
    let auth = auth.ok_or_else(|| Refusal::new("unauthorized", "Send the session's token."))?;
    let origin = socket.req_parts().headers.get(header::ORIGIN);
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
    let authenticated = chats.webchat.authenticate(&auth.token, origin).await;
    let session = authenticated.map_err(Refusal::of)?;
    let slot = chats.slots.take(session.id()).ok_or_else(|| {
        Refusal::new(
            "too_many_connections",
            "This session has its most connections.",
        )
    })?;
    let (wishes, inbox) = mpsc::channel(16);
    socket.extensions.insert(Connection {
        webchat: chats.webchat.clone(),
        session,
        from: place(auth.after, auth.conversation_id),
        wishes,
        inbox: Arc::new(Mutex::new(Some(inbox))),
        last_typing: Arc::default(),
        line: Line::default(),
        _slot: Arc::new(slot),
    });
    // Before the client learns that it is connected: what it sends at once is heard.
    socket.on("message", post);
    socket.on("typing", typing);
    socket.on("resume", resume);
    // With the connection go the wishes' only sender and, with that, the task.
    socket.on_disconnect(async |socket: SocketRef| {
        socket.extensions.remove::<Connection>();
    });
    Ok(())
}

fn place(after: i64, conversation_id: Option<Uuid>) -> Place {
    Place {
        conversation_id: conversation_id.map(Into::into),
        after: after.max(0),
    }
}

/// Serves an admitted connection.
pub(super) async fn begin(socket: SocketRef, Extension(connection): Extension<Connection>) {
    let inbox = connection
        .inbox
        .lock()
        .map_or(None, |mut inbox| inbox.take());
    let Some(inbox) = inbox else { return };
    let follow = connection
        .webchat
        .follow(connection.session.clone(), connection.from);
    drop(connection);
    tokio::spawn(tell(socket, follow, inbox));
}

async fn typing(
    Extension(connection): Extension<Connection>,
    TryData(typing): TryData<VisitorTyping>,
) {
    let Ok(VisitorTyping { on }) = typing else {
        return;
    };
    if is_due(&connection.last_typing) {
        connection.wishes.try_send(Wish::Typing(on)).ok();
    }
}

async fn resume(
    Extension(connection): Extension<Connection>,
    TryData(from): TryData<events::From>,
) {
    if let Ok(from) = from {
        connection
            .wishes
            .send(Wish::Resume(place(from.after, from.conversation_id)))
            .await
            .ok();
    }
}

fn is_due(last: &Mutex<Option<Instant>>) -> bool {
    let Ok(mut last) = last.lock() else {
        return false;
    };
    let now = Instant::now();
    let due = last.is_none_or(|last| now - last >= TYPING_PACE);
    if due {
        *last = Some(now);
    }
    due
}

/// Takes a message, and acknowledges it once it cannot be lost. Messages of one connection are taken
/// one after the other: they stand in line from the moment their packet is read.
fn post(
    Extension(connection): Extension<Connection>,
    TryData(post): TryData<Post>,
    ack: AckSender,
) -> impl Future<Output = ()> + Send {
    let (post, mut in_line) = (post.ok(), connection.line.enter());
    async move {
        let answer = match (post, &mut in_line) {
            (None, _) => refused(
                None,
                Refusal::new("invalid_request", "Send {text, client_id}."),
            ),
            (Some(post), None) => refused(Some(post.client_id), too_many()),
            (Some(post), Some(in_line)) => take(&connection, post, in_line).await,
        };
        ack.send(&answer).ok();
        // Not before: acknowledgements stand in line, too.
        drop(in_line);
    }
}

async fn take(connection: &Connection, post: Post, in_line: &mut InLine) -> Ack {
    in_line.at_the_head().await;
    let client_id = post.client_id.clone();
    let message = NewMessage {
        text: post.text,
        client_id: post.client_id,
        attachment_id: post.attachment_id.map(Into::into),
    };
    let Connection {
        webchat,
        session,
        wishes,
        ..
    } = connection;
    match webchat.post_message(session, message).await {
        Ok(_) => {
            wishes.send(Wish::ExpectAnswer).await.ok();
            Ack {
                ok: true,
                client_id: Some(client_id),
                error: None,
            }
        }
        Err(error) => refused(Some(client_id), Refusal::of(error)),
    }
}

fn refused(client_id: Option<String>, why: Refusal) -> Ack {
    Ack {
        ok: false,
        client_id,
        error: Some(why),
    }
}

fn too_many() -> Refusal {
    Refusal::of(assistant::Error::RateLimited {
        retry_after: RECONNECT,
    })
}

/// Tells a client what happens, until one of both is gone.
async fn tell(socket: SocketRef, mut follow: Follow, mut inbox: mpsc::Receiver<Wish>) {
    while socket.connected() {
        let happening = tokio::select! {
            wish = inbox.recv() => match wish {
                Some(Wish::Resume(place)) => { follow.go_to(place); continue }
                Some(Wish::ExpectAnswer) => { follow.expect_answer(); continue }
                Some(Wish::Typing(on)) => { follow.tell_typing(on); continue }
                None => break,
            },
            happening = follow.next() => happening,
        };
        match happening {
            Ok(happening) => {
                if !emit(&socket, happening).await {
                    break;
                }
            }
            Err(assistant::Error::Db(error)) if error.is_unavailable() => sleep(RECONNECT).await,
            Err(error) => {
                Refusal::of(error);
                break;
            }
        }
    }
    socket.disconnect().ok();
}

/// Emits what happened; false if the client is gone or does not keep up.
async fn emit(socket: &SocketRef, happening: Happening) -> bool {
    match happening {
        Happening::Message(message) => {
            fail_point!("tell.before_message");
            let told = MessageView::of(message).to_json();
            let is_told = emit_surely(socket, "message", &told).await;
            fail_point!("tell.after_message");
            is_told
        }
        Happening::Status {
            message_id,
            seq,
            status,
        } => {
            let told = events::Moved {
                message_id: message_id.as_uuid(),
                seq,
                status: status.to_string(),
            };
            emit_surely(socket, "status", &told).await
        }
        Happening::Conversation {
            id,
            status,
            agent_online,
        } => {
            let told = events::Conversation {
                conversation_id: id.as_uuid(),
                status: status.to_string(),
                agent_online,
            };
            emit_surely(socket, "conversation", &told).await
        }
        // What may be lost does not wait for room.
        Happening::AnswerDelta {
            turn,
            attempt,
            offset,
            text,
        } => {
            let told = events::AnswerDelta {
                turn,
                attempt,
                offset,
                text,
            };
            socket.emit("answer.delta", &told).is_ok() || socket.connected()
        }
        Happening::Typing { author, on } => {
            let author = author.to_string();
            socket.emit("typing", &Typing { author, on }).is_ok() || socket.connected()
        }
    }
}

async fn emit_surely<T: Serialize + Sync>(socket: &SocketRef, event: &str, data: &T) -> bool {
    for _ in 0..ROOM_RETRIES {
        match socket.emit(event, data) {
            Ok(()) => return true,
            Err(SendError::Socket(SocketError::InternalChannelFull)) => sleep(ROOM_RETRY).await,
            Err(error) => {
                tracing::debug!(%error, "a client is gone");
                return false;
            }
        }
    }
    false
}

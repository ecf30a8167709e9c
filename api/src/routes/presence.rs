//! Who has a conversation open and who writes, as agents say and see it.

use std::sync::Arc;
use std::time::Duration;

use assistant::webchat::presence::{list_present, set_agent};
use chrono::{DateTime, Utc};
use domain::{ConversationId, Party};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use live::{LiveBody, Subscription, Update};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::EventStream;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use store::conversations;
use store::presences::Presence;
use tokio::time::Instant;
use uuid::Uuid;

use super::Tag;
use crate::answer::{Answer, Done, Found};
use crate::auth::Auth;
use crate::payload::{Checks, JsonBody};
use crate::{AppState, Problem};

/// How often a stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a stream lasts: a key that was revoked watches this long at most.
const LONGEST: Duration = Duration::from_hours(1);

const MAX_NAME_CHARS: usize = 200;

/// Who has a conversation open.
#[derive(Debug, Object)]
#[oai(rename = "Presence")]
struct PresenceView {
    /// Whether the contact does, in a web chat.
    contact_online: bool,
    /// When that was last heard of, within the last minute.
    contact_seen_at: Option<DateTime<Utc>>,
    /// The agents who do.
    agents: Vec<AgentView>,
}

/// An agent who has a conversation open.
#[derive(Debug, Object)]
#[oai(rename = "PresentAgent")]
struct AgentView {
    /// The agent's name, as it was said.
    name: String,
    /// When that was last said.
    seen_at: DateTime<Utc>,
}

/// What an agent says.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "SetPresence")]
struct SetPresence {
    /// The agent's name, 1 to 200 characters; contacts do not see it.
    agent: String,
    /// Whether the agent has the conversation open. It holds for a minute: say it again before.
    online: bool,
}

/// What an agent does.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(rename = "SetTyping")]
struct SetTyping {
    /// Whether the agent writes.
    on: bool,
}

/// Something that happened in a conversation.
#[derive(Clone, Debug, Default, Object)]
#[oai(rename = "LiveEvent", skip_serializing_if_is_none)]
struct EventView {
    /// What: `message`, `status`, `answer.delta`, `typing`, `presence`, `conversation`, or `resync`
    /// where something may have been missed: look at the lists again.
    r#type: String,
    /// The position of the message.
    seq: Option<i64>,
    /// The message that came further.
    message_id: Option<Uuid>,
    /// How far the message came, or where the conversation stands.
    status: Option<String>,
    /// The turn that is answered.
    turn: Option<i64>,
    /// Which attempt at it.
    attempt: Option<u32>,
    /// How much stands before the piece, in UTF-16 code units.
    offset: Option<u64>,
    /// The piece of an answer.
    text: Option<String>,
    /// Who writes: `contact`, `agent` or `assistant`.
    author: Option<String>,
    /// Who came or went: `contact` or `agent`.
    party: Option<String>,
    /// Whether they write, or are there.
    on: Option<bool>,
}

pub(crate) struct PresenceRoutes;

#[OpenApi(prefix_path = "/api", tag = "Tag::Conversations")]
impl PresenceRoutes {
    /// See who has a conversation open
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/presence",
        method = "get",
        operation_id = "get_presence"
    )]
    async fn get(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<Found<PresenceView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let now = auth.0.state().clock.now();
        let present = list_present(&mut tx, conversation_id.0.into(), now).await?;
        Ok(Answer(view(present)))
    }

    /// Say that an agent has a conversation open
    ///
    /// Contacts in a web chat see that somebody is there. It holds for a minute.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/presence",
        method = "put",
        operation_id = "set_presence"
    )]
    async fn set(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        body: JsonBody<SetPresence>,
    ) -> Result<Found<PresenceView>, Problem> {
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        let mut checks = Checks::default();
        let agent = checks.text("agent", &body.value.agent, MAX_NAME_CHARS);
        checks.finish()?;
        let (id, now) = (conversation_id.0.into(), auth.0.state().clock.now());
        set_agent(&mut tx, id, &agent, body.value.online, now).await?;
        let present = list_present(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(Answer(view(present)))
    }

    /// Say that an agent writes
    ///
    /// Contacts in a web chat see it for ten seconds, or until the next message: say it again while
    /// it goes on.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/typing",
        method = "put",
        operation_id = "set_typing"
    )]
    async fn typing(
        &self,
        auth: Auth,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
        body: JsonBody<SetTyping>,
    ) -> Result<Done, Problem> {
        let id = conversation_id.0.into();
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        conversations::get(&mut tx, id).await?;
        drop(tx);
        auth.0.state().webchat.tell_agent_typing(id, body.value.on);
        Ok(Done)
    }

    /// Watch a conversation
    ///
    /// Server-sent events: what happens in it from here on, with `resync` first; a comment every 15
    /// seconds. Events may be lost and hold no more than is needed to look: list the messages after
    /// the last `seq` you have. A stream lasts an hour at most.
    #[oai(
        path = "/tenants/:tenant_id/conversations/:conversation_id/live",
        method = "get",
        operation_id = "watch_conversation"
    )]
    async fn watch(
        &self,
        auth: Auth,
        state: Data<&Arc<AppState>>,
        /// The tenant.
        tenant_id: Path<Uuid>,
        /// The conversation.
        conversation_id: Path<Uuid>,
    ) -> Result<EventStream<BoxStream<'static, EventView>>, Problem> {
        let id: ConversationId = conversation_id.0.into();
        let state = Arc::clone(state.0);
        let heard = state.webchat.hear(id);
        let mut tx = auth.0.act_for(tenant_id.0.into()).await?;
        conversations::get(&mut tx, id).await?;
        drop(tx);
        let events = stream::unfold(Watch::of(state, heard), Watch::next);
        Ok(EventStream::new(events.boxed()).keep_alive(HEARTBEAT))
    }
}

/// One who watches a conversation.
struct Watch {
    state: Arc<AppState>,
    heard: Subscription,
    has_begun: bool,
    until: Instant,
}

impl Watch {
    fn of(state: Arc<AppState>, heard: Subscription) -> Self {
        Self {
            state,
            heard,
            has_begun: false,
            until: Instant::now() + LONGEST,
        }
    }

    async fn next(mut self) -> Option<(EventView, Self)> {
        if !self.has_begun {
            self.has_begun = true;
            return Some((event("resync"), self));
        }
        let update = tokio::select! {
            update = self.heard.next() => update?,
            () = tokio::time::sleep_until(self.until) => return None,
            () = self.state.live.closing() => return None,
        };
        let told = match update {
            Update::Event(event) => show(event.body),
            Update::Resync => event("resync"),
        };
        Some((told, self))
    }
}

fn event(kind: &str) -> EventView {
    EventView {
        r#type: kind.to_owned(),
        ..EventView::default()
    }
}

fn show(body: LiveBody) -> EventView {
    match body {
        LiveBody::Message { seq } => EventView {
            seq: Some(seq),
            ..event("message")
        },
        LiveBody::Status {
            message_id,
            seq,
            status,
        } => EventView {
            message_id: Some(message_id.as_uuid()),
            seq: Some(seq),
            status: Some(status.to_string()),
            ..event("status")
        },
        LiveBody::AnswerDelta {
            turn,
            attempt,
            offset,
            text,
        } => EventView {
            turn: Some(turn),
            attempt: Some(attempt),
            offset: Some(offset),
            text: Some(text),
            ..event("answer.delta")
        },
        LiveBody::Typing { author, on } => EventView {
            author: Some(author.to_string()),
            on: Some(on),
            ..event("typing")
        },
        LiveBody::Presence { party, online } => EventView {
            party: Some(party.to_string()),
            on: Some(online),
            ..event("presence")
        },
        LiveBody::Conversation { status } => EventView {
            status: Some(status.to_string()),
            ..event("conversation")
        },
    }
}

fn view(present: Vec<Presence>) -> PresenceView {
    let contact = present.iter().find(|one| one.party == Party::Contact);
    let contact_seen_at = contact.map(|contact| contact.seen_at);
    let agents = present.into_iter().filter(|one| one.party == Party::Agent);
    PresenceView {
        contact_online: contact_seen_at.is_some(),
        contact_seen_at,
        agents: agents
            .map(|agent| AgentView {
                name: agent.holder,
                seen_at: agent.seen_at,
            })
            .collect(),
    }
}

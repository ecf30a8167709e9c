use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Author, ConversationId, ConversationStatus, Direction, Party};
use futures::StreamExt as _;
use live::{LiveBody, LiveEvent, Subscription, Update};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::presence::Here;
use super::{Happening, Place, Session, VisitorMessage, Webchat};
use crate::Error;

/// How many messages are read at once.
const PAGE: usize = 100;

/// How often the tables are looked at when nothing is heard: live events may be lost.
const FLOOR: Duration = Duration::from_secs(20);

/// How soon they are looked at first where an answer is awaited: each look that finds nothing doubles
/// it, up to [`FLOOR`]. A process that dies tells nobody what it stored last.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How many messages before its place a client that comes back is told the status of.
const RETOLD: i64 = 10;

/// A visitor's conversation as it goes on, from a place on: every message once, in order.
///
/// It listens before it reads, so nothing lies between. Where somebody may not have listened, the
/// statuses of the last messages before the place are told again.
#[derive(Debug)]
pub struct Follow {
    webchat: Webchat,
    session: Session,
    place: Place,
    in_conversation: Option<In>,
    /// Whether the tenant's side is told that the visitor is there.
    shows_presence: bool,
    /// There while a conversation may begin of which nobody knows the id yet.
    beginnings: Option<Subscription>,
    stale: bool,
    /// Whether what became of messages told before may have been missed.
    missed_statuses: bool,
    /// How long to wait for something to be heard while the visitor waits for an answer.
    awaits: Option<Duration>,
    answered_turn: i64,
    ready: VecDeque<Happening>,
}

/// The conversation that is followed.
#[derive(Debug)]
struct In {
    id: ConversationId,
    status: ConversationStatus,
    heard: Subscription,
    /// Until when some agent counts as there.
    agent_until: Option<DateTime<Utc>>,
    /// Whether the visitor was told that an agent is there.
    told_agent: bool,
    _here: Option<Here>,
}

impl Webchat {
    /// Follows the conversation of a session's visitor from a place on, and tells the tenant's side
    /// that the visitor is there.
    pub fn follow(&self, session: Session, from: Place) -> Follow {
        Follow {
            shows_presence: true,
            missed_statuses: true,
            ..self.follow_unseen(session, from)
        }
    }

    /// Follows the conversation of a session's visitor from a place on.
    pub(super) fn follow_unseen(&self, session: Session, from: Place) -> Follow {
        Follow {
            beginnings: (session.row.message_count > 0).then(|| self.hub.subscribe_to_beginnings()),
            webchat: self.clone(),
            session,
            place: from,
            in_conversation: None,
            shows_presence: false,
            stale: true,
            missed_statuses: false,
            awaits: None,
            answered_turn: 0,
            ready: VecDeque::new(),
        }
    }
}

impl Follow {
    /// How far the visitor has been told.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Goes back, or on, to another place.
    pub fn go_to(&mut self, place: Place) {
        self.place = place;
        self.stale = true;
        self.missed_statuses = true;
        self.ready.clear();
    }

    /// Notes that the visitor wrote: an answer is to come, and a conversation may begin.
    pub fn expect_answer(&mut self) {
        self.awaits = Some(FIRST_LOOK);
        let is_open = |conversation: &In| conversation.status.is_open();
        if self.beginnings.is_none() && !self.in_conversation.as_ref().is_some_and(is_open) {
            self.beginnings = Some(self.webchat.hub.subscribe_to_beginnings());
            self.stale = true;
        }
    }

    /// Tells the tenant's side that the visitor began or stopped writing.
    pub fn tell_typing(&self, on: bool) {
        if let Some(id) = self.place.conversation_id {
            let author = Author::Contact;
            let body = LiveBody::Typing { author, on };
            live::publish_now(&self.webchat.db, &LiveEvent::new(id, body));
        }
    }

    /// Waits for what happens next. Dropped while it waits it loses nothing.
    ///
    /// # Errors
    /// `Unauthenticated` once the session's time is over, and those of the database.
    pub async fn next(&mut self) -> Result<Happening, Error> {
        loop {
            if let Some(happening) = self.ready.pop_front() {
                if let Happening::Message(message) = &happening {
                    self.place.after = message.seq;
                }
                return Ok(happening);
            }
            if self.webchat.clock.now() >= self.session.expires_at() {
                return Err(Error::Unauthenticated);
            }
            if self.stale {
                // Boxed: who waits keeps no room for what reading takes.
                Box::pin(self.read()).await?;
            } else if let Some(changed) = self.agent_change() {
                self.ready.push_back(changed);
            } else {
                self.listen().await;
            }
        }
    }

    /// Reads what the tables have after the place.
    async fn read(&mut self) -> Result<(), Error> {
        let Place {
            conversation_id,
            after,
        } = self.place;
        let retold = if self.missed_statuses { RETOLD } else { 0 };
        let from = (after - retold).max(0);
        let (thread, agent_until) = self
            .webchat
            .read(&self.session, conversation_id, from, PAGE)
            .await?;
        let Some((id, status)) = thread.conversation else {
            self.stale = false;
            return Ok(());
        };
        let Some(known) = self.in_conversation.as_mut().filter(|it| it.id == id) else {
            self.enter(id, status, agent_until);
            return Ok(());
        };
        // A place in another conversation, or in none that was named, is one in this from here on.
        if conversation_id.is_some_and(|named| named != id) {
            self.place.after = 0;
        }
        self.place.conversation_id = Some(id);
        known.agent_until = agent_until;
        if known.status != status {
            known.status = status;
            let told = known.told();
            self.ready.push_back(told);
        }
        self.stale = thread.more;
        self.missed_statuses = false;
        if status.is_open() {
            self.beginnings = None;
        }
        if let Some(last) = thread.messages.last() {
            let is_own = last.direction == Direction::Inbound;
            self.awaits = is_own.then_some(self.awaits.unwrap_or(FIRST_LOOK));
        }
        for message in thread.messages {
            if message.seq <= self.place.after {
                self.retell(&message);
                continue;
            }
            if message.author != Author::Contact {
                self.answered_turn = self.answered_turn.max(message.turn.unwrap_or(0));
            }
            self.ready.push_back(Happening::Message(message));
        }
        Ok(())
    }

    /// Tells where a message stands that was told before; the visitor's own stand where they did.
    fn retell(&mut self, message: &VisitorMessage) {
        if message.direction == Direction::Outbound {
            self.ready.push_back(Happening::Status {
                message_id: message.id,
                seq: message.seq,
                status: message.status,
            });
        }
    }

    /// Goes into a conversation: listens first, and reads once more, as something may have happened
    /// in between.
    fn enter(
        &mut self,
        id: ConversationId,
        status: ConversationStatus,
        agent_until: Option<DateTime<Utc>>,
    ) {
        let is_other = self.place.conversation_id.is_some_and(|known| known != id);
        self.place = Place {
            conversation_id: Some(id),
            after: if is_other { 0 } else { self.place.after },
        };
        let connections = &self.webchat.connections;
        let tenant = self.session.tenant_id();
        let here = self.shows_presence.then(|| connections.enter(tenant, id));
        let conversation = In {
            id,
            status,
            heard: self.webchat.hub.subscribe(id),
            agent_until,
            told_agent: agent_until.is_some(),
            _here: here,
        };
        self.ready.push_back(conversation.told());
        self.in_conversation = Some(conversation);
    }

    /// What to tell if an agent opened the conversation, closed it, or has not been heard of for long.
    fn agent_change(&mut self) -> Option<Happening> {
        let now = self.webchat.clock.now();
        let conversation = self.in_conversation.as_mut()?;
        let is_there = conversation.agent_until.is_some_and(|until| now < until);
        if is_there == conversation.told_agent {
            return None;
        }
        conversation.told_agent = is_there;
        Some(conversation.told())
    }

    /// Waits until something is heard, or it is time to look.
    async fn listen(&mut self) {
        let floor = Instant::now() + self.patience();
        let conversation = self.in_conversation.as_mut().map(|it| &mut it.heard);
        let (conversation, beginnings) = (next_of(conversation), next_of(self.beginnings.as_mut()));
        let heard = timeout_at(floor, async {
            tokio::select! {
                update = conversation => Some(update),
                _ = beginnings => None,
            }
        })
        .await;
        match heard {
            Ok(Some(Some(Update::Event(event)))) => self.hear(event),
            Ok(Some(Some(Update::Resync))) => {
                self.stale = true;
                self.missed_statuses = true;
            }
            Ok(None) => self.stale = true,
            Err(_) => {
                self.stale = true;
                self.awaits = self.awaits.map(|awaits| FLOOR.min(awaits * 2));
            }
            // The hub ends only with the process; until then the floor is left.
            Ok(Some(None)) => sleep_until(floor).await,
        }
    }

    /// How long to wait for something to be heard.
    fn patience(&self) -> Duration {
        let until = self.in_conversation.as_ref().and_then(|it| it.agent_until);
        let left = until.and_then(|until| (until - self.webchat.clock.now()).to_std().ok());
        let floor = self.awaits.unwrap_or(FLOOR);
        // A moment more: the time is over when it is reached.
        left.map_or(floor, |left| floor.min(left + Duration::from_millis(1)))
    }

    fn hear(&mut self, event: LiveEvent) {
        match event.body {
            LiveBody::Message { seq } => self.stale |= seq > self.place.after,
            LiveBody::Status {
                message_id,
                seq,
                status,
            } => {
                // One that was not told yet is told with the status it has.
                if seq > self.place.after {
                    self.stale = true;
                } else {
                    self.ready.push_back(Happening::Status {
                        message_id,
                        seq,
                        status,
                    });
                }
            }
            LiveBody::AnswerDelta { turn, .. } if turn <= self.answered_turn => {}
            LiveBody::AnswerDelta {
                turn,
                attempt,
                offset,
                text,
            } => self.ready.push_back(Happening::AnswerDelta {
                turn,
                attempt,
                offset,
                text,
            }),
            LiveBody::Typing {
                author: Author::Contact,
                ..
            } => {}
            LiveBody::Typing { author, on } => {
                self.ready.push_back(Happening::Typing { author, on });
            }
            LiveBody::Presence { party, .. } => self.stale |= party == Party::Agent,
            LiveBody::Conversation { status } => {
                if let Some(known) = &mut self.in_conversation {
                    known.status = status;
                    self.ready.push_back(known.told());
                }
            }
        }
    }
}

impl In {
    fn told(&self) -> Happening {
        Happening::Conversation {
            id: self.id,
            status: self.status,
            agent_online: self.told_agent,
        }
    }
}

/// The next update of a subscription; never, if there is none.
async fn next_of(subscription: Option<&mut Subscription>) -> Option<Update> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

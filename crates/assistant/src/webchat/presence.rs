//! Who has a conversation open. What is said holds for a minute and is renewed well before.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use db::{Db, TenantTx};
use domain::{Clock, ConversationId, Party, TenantId};
use live::{LiveBody, LiveEvent};
use store::conversations;
use store::presences::{self, ContactPresence, Presence};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::Error;

/// For how long somebody counts as there after they last said so.
pub const ONLINE_FOR: TimeDelta = TimeDelta::seconds(60);

/// How often the connections of this process say that they are there.
const RENEWED_EVERY: Duration = Duration::from_secs(20);

/// How many arrivals and leavings one statement takes.
const AT_A_TIME: usize = 1000;

/// The contacts' connections of this process that have a conversation open; clones share everything.
///
/// One task writes for all of them, so that a thousand connections cost one statement.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    changes: mpsc::UnboundedSender<Change>,
}

/// A connection that has a conversation open, until it is dropped.
#[derive(Debug)]
pub(super) struct Here {
    presence: ContactPresence,
    changes: mpsc::UnboundedSender<Change>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Came(ContactPresence),
    Left(ContactPresence),
}

impl Connections {
    /// Begins to write; it ends with the last clone and the last connection.
    pub(super) fn start(db: Db, clock: Clock) -> Self {
        let (changes, heard) = mpsc::unbounded_channel();
        tokio::spawn(write(db, clock, heard));
        Self { changes }
    }

    /// Notes that a connection has a conversation open.
    pub(super) fn enter(&self, tenant_id: TenantId, conversation_id: ConversationId) -> Here {
        let presence = ContactPresence {
            tenant_id,
            conversation_id,
            holder: Uuid::new_v4(),
        };
        self.changes.send(Change::Came(presence)).ok();
        Here {
            presence,
            changes: self.changes.clone(),
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.changes.send(Change::Left(self.presence)).ok();
    }
}

async fn write(db: Db, clock: Clock, mut heard: mpsc::UnboundedReceiver<Change>) {
    let mut here: HashMap<Uuid, ContactPresence> = HashMap::new();
    let mut renewal = interval(RENEWED_EVERY);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = Vec::new();
    loop {
        tokio::select! {
            count = heard.recv_many(&mut changes, AT_A_TIME) => if count == 0 { return },
            _ = renewal.tick() => {
                let all: Vec<_> = here.values().copied().collect();
                for some in all.chunks(AT_A_TIME) {
                    tell(renew(&db, &clock, some).await);
                }
                continue;
            }
        }
        let (mut came, mut left) = (Vec::new(), Vec::new());
        for change in changes.drain(..) {
            match change {
                Change::Came(one) => {
                    here.insert(one.holder, one);
                    came.push(one);
                }
                // Who came and went at once was never there.
                Change::Left(one) => {
                    here.remove(&one.holder);
                    came.retain(|other| other.holder != one.holder);
                    left.push(one);
                }
            }
        }
        tell(change(&db, &clock, &came, &left).await);
    }
}

/// What cannot be written is made good by the next renewal, or by the minute.
fn tell(written: db::Result<()>) {
    if let Err(error) = written {
        tracing::debug!(%error, "who is connected could not be written");
    }
}

async fn renew(db: &Db, clock: &Clock, connections: &[ContactPresence]) -> db::Result<()> {
    let mut tx = db.system().await?;
    presences::renew(&mut tx, connections, clock.now()).await?;
    tx.commit().await
}

async fn change(
    db: &Db,
    clock: &Clock,
    came: &[ContactPresence],
    left: &[ContactPresence],
) -> db::Result<()> {
    let mut tx = db.system().await?;
    if !came.is_empty() {
        presences::renew(&mut tx, came, clock.now()).await?;
    }
    if !left.is_empty() {
        presences::remove(&mut tx, left).await?;
    }
    for (connections, online) in [(left, false), (came, true)] {
        for one in connections {
            let party = Party::Contact;
            let body = LiveBody::Presence { party, online };
            live::publish(&mut tx, &LiveEvent::new(one.conversation_id, body));
        }
    }
    tx.commit().await
}

/// Notes that an agent has one of the tenant's conversations open, for a minute, or has closed it.
///
/// # Errors
/// `NotFound` if the tenant has no such conversation, and those of the database.
pub async fn set_agent(
    tx: &mut TenantTx,
    conversation: ConversationId,
    agent: &str,
    online: bool,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    conversations::get(tx, conversation).await?;
    let party = Party::Agent;
    if online {
        presences::set(tx, conversation, party, agent, now).await?;
    } else {
        presences::clear(tx, conversation, party, agent).await?;
    }
    let body = LiveBody::Presence { party, online };
    live::publish(tx, &LiveEvent::new(conversation, body));
    Ok(())
}

/// Lists who has one of the tenant's conversations open, latest first.
///
/// # Errors
/// `NotFound` if the tenant has no such conversation, and those of the database.
pub async fn list_present(
    tx: &mut TenantTx,
    conversation: ConversationId,
    now: DateTime<Utc>,
) -> Result<Vec<Presence>, Error> {
    conversations::get(tx, conversation).await?;
    Ok(presences::list(tx, conversation, now - ONLINE_FOR).await?)
}

/// Until when some agent counts as there; `None` if none does.
pub(super) async fn agent_until(
    tx: &mut TenantTx,
    conversation: ConversationId,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let present = presences::list(tx, conversation, now - ONLINE_FOR).await?;
    let agent = present.iter().find(|one| one.party == Party::Agent);
    Ok(agent.map(|agent| agent.seen_at + ONLINE_FOR))
}

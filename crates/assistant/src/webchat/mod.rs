//! The chat on a web site: visitors known by a token, anonymous or vouched for by the tenant's own
//! server, held to caps before they can spend a model's money.
//!
//! A visitor opens a session, writes, and reads what was written in the conversation. What is
//! written becomes a raw item and a job like any channel's; what is read comes from the table of
//! messages. [`Follow`] waits for more.

mod attachment;
mod follow;
mod happening;
mod identity;
mod message;
mod origin;
mod pacing;
mod post;
pub mod presence;
mod session;

use std::sync::Arc;

use db::Db;
use domain::{Author, Clock, ConversationId};
use files::Files;
use live::{Hub, LiveBody, LiveEvent, Subscription};
use secrets::Keyring;

use crate::{Assistant, WebchatCaps};

pub use attachment::{Incoming, VisitorFile};
pub use follow::Follow;
pub use happening::{Happening, Place};
pub use identity::{FreshIdentitySecret, Identity, replace_identity_secret};
pub use message::{Attachment, Thread, VisitorMessage};
pub use post::{Accepted, NewMessage};
pub use session::{OpenedSession, Opening, SESSION_LIFETIME, Session};

use origin::Origins;
use pacing::Pacing;
use presence::Connections;

/// The web chats of all tenants, as one process serves them; clones share everything.
#[derive(Clone, Debug)]
pub struct Webchat {
    db: Db,
    clock: Clock,
    keyring: Arc<Keyring>,
    files: Files,
    caps: WebchatCaps,
    hub: Hub,
    connections: Connections,
    pacing: Arc<Pacing>,
}

impl Webchat {
    /// Serves web chats. Messages per minute are counted in this process, everything else in the
    /// database.
    pub fn new(assistant: &Assistant) -> Self {
        let caps = assistant.settings.webchat;
        Self {
            hub: Hub::start(&assistant.db),
            pacing: Arc::new(Pacing::new(caps.messages_per_minute)),
            connections: Connections::start(assistant.db.clone(), assistant.clock.clone()),
            db: assistant.db.clone(),
            clock: assistant.clock.clone(),
            keyring: Arc::clone(&assistant.keyring),
            files: assistant.files.clone(),
            caps,
        }
    }

    /// Hears what happens in a conversation from here on, of whatever tenant: check first whose it is.
    pub fn hear(&self, conversation: ConversationId) -> Subscription {
        self.hub.subscribe(conversation)
    }

    /// Tells the contact's windows that somebody on the tenant's side began or stopped writing in a
    /// conversation; check first whose it is.
    pub fn tell_agent_typing(&self, conversation: ConversationId, on: bool) {
        let author = Author::Agent;
        let body = LiveBody::Typing { author, on };
        live::publish_now(&self.db, &LiveEvent::new(conversation, body));
    }

    /// The caps it serves under.
    pub const fn caps(&self) -> WebchatCaps {
        self.caps
    }
}

impl WebchatCaps {
    /// A number that a cap of zero would make useless is taken as 1.
    fn at_least_one(number: u32) -> std::num::NonZeroU32 {
        std::num::NonZeroU32::new(number).unwrap_or(std::num::NonZeroU32::MIN)
    }
}

//! The chat on a web site: anonymous visitors, known by a token, held to caps before they can spend
//! a model's money.
//!
//! A visitor opens a session, writes, and reads what was written in the conversation. What is
//! written becomes a raw item and a job like any channel's; what is read comes from the table of
//! messages. [`Follow`] waits for more.

mod follow;
mod message;
mod origin;
mod pacing;
mod post;
mod session;

use std::sync::Arc;

use db::Db;
use domain::Clock;
use live::Hub;

use crate::WebchatCaps;

pub use follow::{Follow, Happening, Place};
pub use message::{Thread, VisitorMessage};
pub use post::Accepted;
pub use session::{OpenedSession, SESSION_LIFETIME, Session};

use origin::Origins;
use pacing::Pacing;

/// The web chats of all tenants, as one process serves them; clones share everything.
#[derive(Clone, Debug)]
pub struct Webchat {
    db: Db,
    clock: Clock,
    caps: WebchatCaps,
    hub: Hub,
    pacing: Arc<Pacing>,
}

impl Webchat {
    /// Serves web chats under `caps`. Messages per minute are counted in this process, everything
    /// else in the database.
    pub fn new(db: Db, clock: Clock, caps: WebchatCaps) -> Self {
        Self {
            hub: Hub::start(&db),
            pacing: Arc::new(Pacing::new(caps.messages_per_minute)),
            db,
            clock,
            caps,
        }
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

use channels::webchat::Item;
use domain::ChannelKind;
use store::{messages, webchat_sessions};

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

impl Webchat {
    /// Takes a visitor's message: kept, with its job, when this returns.
    ///
    /// The same `client_id` again in the same session is the same message. One that is refused
    /// later, because two came at the same instant, counts against the session all the same.
    ///
    /// # Errors
    /// `Refused` for a text or an id that is empty or too long, `RateLimited` for more than a minute
    /// or the session allows, and those of the database.
    pub async fn post_message(
        &self,
        session: &Session,
        text: String,
        client_id: String,
    ) -> Result<Accepted, Error> {
        self.pacing.check(session.id())?;
        let now = self.clock.now();
        let item = Item {
            session_id: session.id(),
            visitor_id: session.row.visitor_id.clone(),
            client_id: client_id.clone(),
            text,
            occurred_at: now,
        };
        let raw = item.into_raw_item().map_err(|errors| {
            let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Error::Refused(said.join("; "))
        })?;
        if !self.count(session, &client_id).await? {
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
        tx.commit().await?;
        Ok(Accepted {
            client_id,
            duplicate: false,
        })
    }

    /// Counts a message against its session; false if it is there already.
    async fn count(&self, session: &Session, client_id: &str) -> Result<bool, Error> {
        let mut tx = self.db.tenant(session.tenant_id()).await?;
        let external_id = format!("{}:{client_id}", session.id());
        let known =
            messages::find_by_external_id(&mut tx, session.channel_id(), &external_id).await?;
        if known.is_some() {
            return Ok(false);
        }
        let max = i32::try_from(self.caps.messages_per_session).unwrap_or(i32::MAX);
        let counted = webchat_sessions::count_message(&mut tx, session.id(), max).await?;
        tx.commit().await?;
        if counted {
            return Ok(true);
        }
        let left = session.expires_at() - self.clock.now();
        Err(Error::RateLimited {
            retry_after: left.to_std().unwrap_or_default(),
        })
    }
}

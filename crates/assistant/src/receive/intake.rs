use chrono::{DateTime, Utc};
use db::SystemTx;
use domain::ChannelKind;

use super::settled::{self, Item, Settled};
use crate::Error;

/// Keeps the items of one post within its caller's transaction, each with its job.
pub struct Intake<'t> {
    tx: &'t mut SystemTx,
    channel_kind: ChannelKind,
    received_at: DateTime<Utc>,
}

impl<'t> Intake<'t> {
    /// An intake of items that came at `received_at`.
    pub const fn new(
        tx: &'t mut SystemTx,
        channel_kind: ChannelKind,
        received_at: DateTime<Utc>,
    ) -> Self {
        Self {
            tx,
            channel_kind,
            received_at,
        }
    }

    /// Keeps every item; one that cannot be read is kept as unreadable and harms no other.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep(&mut self, items: Vec<Item>) -> Result<(), Error> {
        let settle = |item| Settled::of(self.channel_kind, self.received_at, item);
        let items: Vec<Settled> = items.into_iter().map(settle).collect();
        Ok(settled::keep(self.tx, &items).await?)
    }
}

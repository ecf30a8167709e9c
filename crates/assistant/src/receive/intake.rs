use channels::{RawKind, channel};
use chrono::{DateTime, Utc};
use db::SystemTx;
use domain::{ChannelId, ChannelKind, Inbound, RawItemId, RawOutcome, TenantId};
use jobs::kinds::{ChannelStatus, InboundMessage};
use serde_json::Value;
use store::raw_items::{self, NewRawItem};

use crate::Error;

/// Whose an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemOwner {
    /// The channel it came by.
    Channel(TenantId, ChannelId),
    /// No channel has that number.
    Unknown,
}

/// One item to be kept.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose it is.
    pub owner: ItemOwner,
    /// What it seems to be.
    pub kind: RawKind,
    /// What decoding takes.
    pub payload: Value,
}

/// Keeps the items of one post, each with its job.
pub struct Intake<'t> {
    tx: &'t mut SystemTx,
    channel_kind: ChannelKind,
    received_at: DateTime<Utc>,
}

/// The job an item leads to.
enum Work {
    Message { contact_key: String },
    Status,
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

    /// Keeps every item. Nothing here depends on what an item says: one that cannot be read is kept
    /// as unreadable and harms no other.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep(&mut self, items: Vec<Item>) -> Result<(), Error> {
        let mut work = Vec::with_capacity(items.len());
        for item in items {
            let id = RawItemId::new();
            let (kept, job) = self.settle(id, item);
            raw_items::insert(self.tx, &kept).await?;
            if let (Some((tenant, _)), Some(job)) = (kept.owner, job) {
                work.push((id, tenant, job));
            }
        }
        // In the order of their keys, so that two posts cannot wait for each other's.
        work.sort_by(|(_, _, a), (_, _, b)| a.key().cmp(b.key()));
        for (raw_item_id, tenant_id, job) in work {
            self.enqueue(raw_item_id, tenant_id, job).await?;
        }
        Ok(())
    }

    /// Decides where an item stands from the start, and what is to be done about it.
    fn settle(&self, id: RawItemId, item: Item) -> (NewRawItem, Option<Work>) {
        let owner = match item.owner {
            ItemOwner::Channel(tenant, channel) => Some((tenant, channel)),
            ItemOwner::Unknown => None,
        };
        let decoded = channel(self.channel_kind).decode(&item.payload);
        let (outcome, error, job) = match (&decoded, owner) {
            (Err(unreadable), _) => (
                RawOutcome::Unreadable,
                Some(unreadable.reason.clone()),
                None,
            ),
            (Ok(_), None) => (
                RawOutcome::Unroutable,
                Some("no channel has this number".to_owned()),
                None,
            ),
            (Ok(Inbound::Message(message) | Inbound::Echo(message)), Some((_, channel))) => {
                let work = Work::of_contact(channel, &message.contact.external_id);
                (RawOutcome::Pending, None, Some(work))
            }
            (Ok(Inbound::Handover(handover)), Some((_, channel))) => {
                let work = Work::of_contact(channel, &handover.contact_external_id);
                (RawOutcome::Pending, None, Some(work))
            }
            (Ok(Inbound::Status(_) | Inbound::Receipt(_) | Inbound::Account(_)), Some(_)) => {
                (RawOutcome::Pending, None, Some(Work::Status))
            }
            (Ok(Inbound::Other { note, .. }), Some(_)) => (RawOutcome::Ignored, note.clone(), None),
        };
        let is_json = item.kind != RawKind::Unreadable || !item.payload.is_null();
        let kept = NewRawItem {
            id,
            received_at: self.received_at,
            channel_kind: self.channel_kind,
            owner,
            payload: is_json.then_some(item.payload),
            body: None,
            outcome,
            error,
        };
        (kept, job)
    }

    /// Keeps a body that is no post of the channel's at all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep_unreadable(
        &mut self,
        body: &[u8],
        owner: ItemOwner,
        reason: &str,
    ) -> Result<(), Error> {
        let kept = NewRawItem {
            id: RawItemId::new(),
            received_at: self.received_at,
            channel_kind: self.channel_kind,
            owner: match owner {
                ItemOwner::Channel(tenant, channel) => Some((tenant, channel)),
                ItemOwner::Unknown => None,
            },
            payload: None,
            body: Some(body.to_vec()),
            outcome: RawOutcome::Unreadable,
            error: Some(reason.to_owned()),
        };
        Ok(raw_items::insert(self.tx, &kept).await?)
    }

    async fn enqueue(
        &mut self,
        raw_item_id: RawItemId,
        tenant_id: TenantId,
        job: Work,
    ) -> Result<(), Error> {
        let received_at = self.received_at;
        match job {
            Work::Message { contact_key } => {
                let job = InboundMessage {
                    tenant_id,
                    raw_item_id,
                    received_at,
                    contact_key,
                };
                jobs::enqueue(self.tx, &job).await?;
            }
            Work::Status => {
                let job = ChannelStatus {
                    tenant_id,
                    raw_item_id,
                    received_at,
                };
                jobs::enqueue(self.tx, &job).await?;
            }
        }
        Ok(())
    }
}

impl Work {
    /// What one contact's items lead to, in order.
    fn of_contact(channel: ChannelId, contact: &str) -> Self {
        Self::Message {
            contact_key: format!("{channel}:{contact}"),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Message { contact_key } => contact_key,
            Self::Status => "",
        }
    }
}

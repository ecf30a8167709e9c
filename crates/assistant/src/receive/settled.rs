use channels::{RawKind, channel as adapter};
use chrono::{DateTime, Utc};
use db::{Result, SystemTx};
use domain::{ChannelId, ChannelKind, Inbound, RawItemId, RawOutcome, TenantId};
use jobs::kinds::{ChannelStatus, InboundMessage};
use jobs::{Gathered, enqueue, enqueue_gathered};
use serde_json::Value;
use store::raw_items::{self, NewRawItem};
use telemetry::trace::TraceContext;

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

/// An item of which is decided where it stands from the start, and what is to be done about it.
pub(super) struct Settled {
    kept: NewRawItem,
    work: Option<Work>,
}

/// The job an item leads to.
enum Work {
    Message(InboundMessage),
    Status(ChannelStatus),
}

/// What comes of an item: its outcome, why it is not pending, and its job.
type Standing = (RawOutcome, Option<String>, Option<Work>);

impl Settled {
    /// An item of a post. Nothing here depends on what it says: one that cannot be read is kept as
    /// unreadable and harms no other.
    pub(super) fn of(channel_kind: ChannelKind, received_at: DateTime<Utc>, item: Item) -> Self {
        let id = RawItemId::new();
        let owner = item.owner.channel();
        let (outcome, error, work) = match (adapter(channel_kind).decode(&item.payload), owner) {
            (Err(unreadable), _) => (RawOutcome::Unreadable, Some(unreadable.reason), None),
            (Ok(_), None) => {
                let reason = "no channel has this number".to_owned();
                (RawOutcome::Unroutable, Some(reason), None)
            }
            (Ok(inbound), Some(owner)) => standing(inbound, owner, id, received_at),
        };
        let is_json = item.kind != RawKind::Unreadable || !item.payload.is_null();
        let kept = NewRawItem {
            id,
            received_at,
            channel_kind,
            owner,
            payload: is_json.then_some(item.payload),
            body: None,
            outcome,
            error,
        };
        Self { kept, work }
    }

    /// A body that is no post of the channel's at all.
    pub(super) fn unreadable(
        channel_kind: ChannelKind,
        received_at: DateTime<Utc>,
        owner: ItemOwner,
        body: &[u8],
        reason: String,
    ) -> Self {
        let kept = NewRawItem {
            id: RawItemId::new(),
            received_at,
            channel_kind,
            owner: owner.channel(),
            payload: None,
            body: Some(body.to_vec()),
            outcome: RawOutcome::Unreadable,
            error: Some(reason),
        };
        Self { kept, work: None }
    }
}

impl ItemOwner {
    const fn channel(self) -> Option<(TenantId, ChannelId)> {
        match self {
            Self::Channel(tenant, channel) => Some((tenant, channel)),
            Self::Unknown => None,
        }
    }
}

fn standing(
    inbound: Inbound,
    (tenant_id, channel): (TenantId, ChannelId),
    raw_item_id: RawItemId,
    received_at: DateTime<Utc>,
) -> Standing {
    let of_contact = |contact: &str| {
        let job = InboundMessage {
            tenant_id,
            raw_item_id,
            received_at,
            contact_key: format!("{channel}:{contact}"),
        };
        (RawOutcome::Pending, None, Some(Work::Message(job)))
    };
    match inbound {
        Inbound::Message(message) | Inbound::Echo(message) => {
            of_contact(&message.contact.external_id)
        }
        Inbound::Handover(handover) => of_contact(&handover.contact_external_id),
        Inbound::Status(_) | Inbound::Receipt(_) | Inbound::Account(_) => {
            let job = ChannelStatus {
                tenant_id,
                raw_item_id,
                received_at,
            };
            (RawOutcome::Pending, None, Some(Work::Status(job)))
        }
        Inbound::Other { note, .. } => (RawOutcome::Ignored, note, None),
    }
}

impl Work {
    fn key(&self) -> &str {
        match self {
            Self::Message(job) => &job.contact_key,
            Self::Status(_) => "",
        }
    }
}

/// Keeps the items of one post, each with its job.
pub(super) async fn keep(tx: &mut SystemTx, items: &[Settled]) -> Result<()> {
    for item in items {
        raw_items::insert(tx, &item.kept).await?;
    }
    let mut work: Vec<&Work> = items.iter().filter_map(|item| item.work.as_ref()).collect();
    // In the order of their keys, so that two posts cannot wait for each other's.
    work.sort_by(|a, b| a.key().cmp(b.key()));
    for job in work {
        match job {
            Work::Message(job) => enqueue(tx, job).await?,
            Work::Status(job) => enqueue(tx, job).await?,
        };
    }
    Ok(())
}

/// Keeps the items of several posts in a few statements, each with its job, which goes on with the
/// trace of its own post.
pub(super) async fn keep_together<'a>(
    tx: &mut SystemTx,
    posts: impl Iterator<Item = (&'a [Settled], Option<TraceContext>)>,
) -> Result<()> {
    let mut kept = Vec::new();
    let (mut messages, mut statuses) = (Vec::new(), Vec::new());
    for (items, trace) in posts {
        for item in items {
            kept.push(&item.kept);
            match &item.work {
                Some(Work::Message(job)) => messages.push(Gathered { job, trace }),
                Some(Work::Status(job)) => statuses.push(Gathered { job, trace }),
                None => {}
            }
        }
    }
    raw_items::insert_many(tx, &kept).await?;
    enqueue_gathered(tx, &messages).await?;
    enqueue_gathered(tx, &statuses).await
}

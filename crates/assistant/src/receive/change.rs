use std::borrow::Cow;

use chrono::{DateTime, Utc};
use db::TenantTx;
use domain::{ChannelId, ContactId, ContentBody, Direction, InboundMessage, NormalizedContent};
use jobs::Failure;
use store::message_files;
use store::messages::{self, Changed, NewWords};
use store::parked_changes::{self, ParkedChange, Target};
use store::raw_items::RawItemAt;

/// A later wording or a deletion of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The channel's id of the message.
    pub(super) target: String,
    /// The later wording; `None`: it is deleted.
    pub(super) wording: Option<ContentBody>,
    /// When that was, by the channel's clock.
    at: DateTime<Utc>,
}

/// A message that came, as it reads after the change that came before it.
#[derive(Clone, Debug)]
pub(super) struct Arrival<'a> {
    /// The message as it came.
    pub(super) original: &'a InboundMessage,
    /// The message as it reads.
    pub(super) message: Cow<'a, InboundMessage>,
    target: Target<'a>,
    change: Option<Change>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Its message reads so.
    Changed(Changed),
    /// It waits for its message.
    Parked,
    /// Its message was taken back, or changed later still.
    Outdated,
}

impl Change {
    /// The change that a channel told; `None` if it is something else.
    pub(super) fn of(body: &ContentBody, at: DateTime<Utc>) -> Option<Self> {
        let (target, wording) = match body {
            ContentBody::Edit { target, content } => (target, Some(ContentBody::clone(content))),
            ContentBody::Revoke { target } => (target, None),
            _ => return None,
        };
        Some(Self {
            target: target.clone(),
            wording,
            at,
        })
    }

    /// The message as it reads from then on.
    pub(super) fn applied_to(&self, message: &InboundMessage) -> InboundMessage {
        let words = self.words();
        InboundMessage {
            text: words.plain_text(),
            content: NormalizedContent {
                body: words,
                context: message.content.context.clone(),
            },
            ..message.clone()
        }
    }

    /// What the message says from then on.
    fn words(&self) -> ContentBody {
        let deleted = || ContentBody::Revoke {
            target: self.target.clone(),
        };
        self.wording.clone().unwrap_or_else(deleted)
    }

    /// The change as a channel tells it.
    fn body(&self) -> ContentBody {
        let target = self.target.clone();
        match self.wording.clone().map(Box::new) {
            Some(content) => ContentBody::Edit { target, content },
            None => ContentBody::Revoke { target },
        }
    }
}

/// Writes a change down at its message, or keeps it until that comes. The caller holds the contact's
/// row. `told_by`: what says so if it never does.
pub(super) async fn write_or_park(
    tx: &mut TenantTx,
    target: &Target<'_>,
    change: &Change,
    told_by: RawItemAt,
) -> Result<Written, Failure> {
    if let Some(changed) = write(tx, target, change).await? {
        return Ok(Written::Changed(changed));
    }
    let (channel, external_id) = (target.channel_id, target.external_id);
    let known = messages::find_by_external_id(tx, channel, external_id).await?;
    if known.is_some() {
        return Ok(Written::Outdated);
    }
    let parked = ParkedChange {
        content: serde_json::to_value(change.body()).map_err(Failure::retry)?,
        occurred_at: change.at,
    };
    parked_changes::park(tx, target, &parked, told_by).await?;
    Ok(Written::Parked)
}

impl<'a> Arrival<'a> {
    /// Takes the change that came before a message. The caller holds the contact's row.
    pub(super) async fn of(
        tx: &mut TenantTx,
        channel_id: ChannelId,
        contact_id: ContactId,
        direction: Direction,
        original: &'a InboundMessage,
    ) -> Result<Self, Failure> {
        let target = Target {
            channel_id,
            contact_id,
            direction,
            external_id: &original.external_id,
        };
        let change = match parked_changes::take(tx, &target).await? {
            Some(parked) => {
                let body = serde_json::from_value(parked.content).map_err(Failure::retry)?;
                Change::of(&body, parked.occurred_at)
            }
            None => None,
        };
        let changed = change.as_ref().map(|change| change.applied_to(original));
        Ok(Self {
            original,
            message: changed.map_or(Cow::Borrowed(original), Cow::Owned),
            target,
            change,
        })
    }

    /// Notes at the stored message that it was changed. True if it was.
    pub(super) async fn note_change(&self, tx: &mut TenantTx) -> Result<bool, Failure> {
        match &self.change {
            Some(change) => Ok(write(tx, &self.target, change).await?.is_some()),
            None => Ok(false),
        }
    }
}

/// Writes a change down at its message; `None` if that is not there, or the change is outdated.
async fn write(
    tx: &mut TenantTx,
    target: &Target<'_>,
    change: &Change,
) -> Result<Option<Changed>, Failure> {
    let words = change.words();
    let new = NewWords {
        contact: target.contact_id,
        direction: target.direction,
        external_id: target.external_id,
        text: &words.plain_text(),
        content: &serde_json::to_value(&words).map_err(Failure::retry)?,
        is_revoked: change.wording.is_none(),
        at: change.at,
    };
    let changed = messages::reword(tx, &new).await?;
    // Its words are gone for everybody: that is what was asked for.
    if let Some(changed) = changed.filter(|_| new.is_revoked) {
        message_files::delete_of_message(tx, changed.id).await?;
    }
    Ok(changed)
}

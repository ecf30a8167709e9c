//! How channels are: found by sends, by looks, and by what operators tell. Changes are events.

use channels::{Check, CheckKind, Connection, Finding, SendClass};
use db::TenantTx;
use domain::{ChannelHealth, ChannelId, Content, TenantId};
use events::{ChannelData, Event};
use jobs::Failure;
use jobs::control::{self, ControlError, LimitKey};
use jobs::kinds::CheckChannel;
use store::channels::{self as stored, Channel};

use crate::connections::{connect, perform};
use crate::{Assistant, Error};

/// How long after its last look a channel is looked at again.
const LOOK_EVERY: chrono::TimeDelta = chrono::TimeDelta::hours(6);

/// How many channels are looked at in one go.
const AT_ONCE: i64 = 500;

/// The key of the limit on everything a channel sends.
pub(crate) fn send_key(channel: ChannelId, connection: &dyn Connection) -> String {
    let limits = connection.limits(&Content::text(""), "");
    let first = limits.into_iter().next();
    first.map_or_else(|| format!("channel:{channel}"), |limit| limit.key)
}

/// Who found a channel to be as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A message, taken or not.
    Send,
    /// A look by the schedule.
    Schedule,
    /// A look that a person asked for.
    Person,
    /// What the operator told of the account.
    Operator,
}

impl Witness {
    /// Whether what it found counts where the channel was found to be `before`.
    ///
    /// A block stands until a person has looked or the operator lifts it: requests that change
    /// nothing go through all the same. That the account is well says nothing of credentials.
    const fn counts(self, before: ChannelHealth, found: ChannelHealth) -> bool {
        use ChannelHealth::{Misconfigured, Restricted, TokenDead, Unsubscribed, Warned};
        match (self, before) {
            (Self::Send | Self::Schedule, Restricted) => false,
            (Self::Operator, TokenDead | Unsubscribed | Misconfigured) => !is_usable(found),
            (Self::Operator, Restricted) => !matches!(found, Warned),
            (Self::Send | Self::Schedule | Self::Person | Self::Operator, _) => true,
        }
    }
}

/// Whether messages can leave by a channel that is so.
const fn is_usable(health: ChannelHealth) -> bool {
    matches!(health, ChannelHealth::Working | ChannelHealth::Warned)
}

/// Notes how a channel was found to be, and tells if that is news. What waited because it could not
/// be used goes on once it can.
///
/// What the channel was before is read under its lock: `channel` may have been read long ago.
pub(crate) async fn note(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    found: ChannelHealth,
    note: &str,
    witness: Witness,
) -> Result<(), Failure> {
    // Deleted meanwhile.
    let Some(known) = stored::find_for_update(tx, channel.id).await? else {
        return Ok(());
    };
    let before = known.health;
    if before != found && !witness.counts(before, found) {
        return Ok(());
    }
    let now = assistant.clock.now();
    if !stored::set_health(tx, channel.id, found, note, now).await? {
        return Ok(());
    }
    if is_usable(found) && !is_usable(before) {
        let connection = connect(assistant, &known).map_err(Failure::retry)?;
        if let Some(connection) = connection {
            resume(tx, &send_key(known.id, connection.as_ref())).await?;
        }
    }
    let data = ChannelData {
        channel_id: known.id,
        name: known.name,
        kind: known.kind,
        health: found,
        previous: before,
        note: note.to_owned(),
        occurred_at: now,
    };
    events::emit(tx, &[Event::ChannelHealthChanged(data)], &assistant.clock)
        .await
        .map_err(Failure::retry)
}

/// Has what waits under a channel's key go on.
pub(crate) async fn resume(tx: &mut TenantTx, key: &str) -> db::Result<()> {
    let broken = |error: ControlError| match error {
        ControlError::Db(error) => error,
        other => db::Error::corrupt(other.to_string()),
    };
    let key = LimitKey::parse(key).map_err(|error| broken(error.into()))?;
    control::resume(tx, &key).await.map_err(broken)
}

/// Notes what the code of a failure, which came long after its send, says about the channel; returns
/// the code's class, where it is known.
pub(crate) async fn note_code(
    assistant: &Assistant,
    tx: &mut TenantTx,
    channel: &Channel,
    code: i64,
    why: &str,
) -> Result<Option<SendClass>, Failure> {
    let connection = connect(assistant, channel).map_err(Failure::retry)?;
    let class = connection.and_then(|connection| connection.class_of_code(code));
    if let Some(found) = class.and_then(SendClass::health) {
        note(assistant, tx, channel, found, why, Witness::Send).await?;
    }
    Ok(class)
}

/// What a look at a channel found, one finding for each of its checks.
#[derive(Clone, Debug)]
pub struct Look {
    /// The checks and what they found.
    pub findings: Vec<(CheckKind, Finding)>,
    /// The worst of them.
    pub health: ChannelHealth,
}

/// Looks whether a channel works, by requests that change nothing, and notes what it finds, unless
/// the block of a channel stands against a look of the schedule's. An operator that does not post to
/// us is asked to, once.
///
/// # Errors
/// `NotFound`, `Broken` if its settings are, and those of the database.
pub async fn look(
    assistant: &Assistant,
    tenant: TenantId,
    id: ChannelId,
    witness: Witness,
) -> Result<Look, Error> {
    let mut tx = assistant.db.tenant(tenant).await?;
    let channel = stored::get(&mut tx, id).await?;
    drop(tx);
    let mut findings = Vec::new();
    if let Some(connection) = connect(assistant, &channel)? {
        for check in connection.checks(assistant.clock.now()) {
            let kind = check.kind;
            let mut found = find(assistant, connection.as_ref(), check).await;
            if found.health == ChannelHealth::Unsubscribed
                && let Some(request) = connection.subscribe()
                && let Ok(answer) = perform(assistant, &request).await
                && answer.is_success()
            {
                let note = "the operator did not post to us, and was asked to";
                found = Finding {
                    health: ChannelHealth::Warned,
                    note: note.to_owned(),
                };
            }
            findings.push((kind, found));
        }
    }
    let worst = findings
        .iter()
        .map(|(_, found)| found)
        .max_by_key(|found| weight(found.health));
    let (health, said) = worst.map_or((ChannelHealth::Working, ""), |found| {
        (found.health, found.note.as_str())
    });
    let mut tx = assistant.db.tenant(tenant).await?;
    stored::mark_checked(&mut tx, id, assistant.clock.now()).await?;
    // No answer says nothing about the channel.
    if health != ChannelHealth::Unknown {
        let noted = note(assistant, &mut tx, &channel, health, said, witness).await;
        noted.map_err(|failure| Error::broken("a channel's health", failure.chain()))?;
    }
    tx.commit().await?;
    Ok(Look { findings, health })
}

async fn find(assistant: &Assistant, connection: &dyn Connection, check: Check) -> Finding {
    let answer = perform(assistant, &check.request).await;
    let answer = answer
        .inspect_err(|error| tracing::warn!(%error, "a channel's operator did not answer"))
        .ok();
    connection.read_check(check.kind, answer.as_ref())
}

/// How much worse one finding is than another.
const fn weight(health: ChannelHealth) -> u8 {
    match health {
        ChannelHealth::Working => 0,
        ChannelHealth::Warned => 1,
        ChannelHealth::Unknown => 2,
        ChannelHealth::Unsubscribed => 3,
        ChannelHealth::Misconfigured => 4,
        ChannelHealth::Restricted => 5,
        ChannelHealth::TokenDead => 6,
    }
}

/// Has every channel looked at that was not for a while.
///
/// # Errors
/// A retry for what may pass.
pub async fn look_at_due(assistant: &Assistant) -> Result<(), Failure> {
    let now = assistant.clock.now();
    let mut tx = assistant.db.system().await?;
    let due = stored::take_unchecked(&mut tx, now - LOOK_EVERY, now, AT_ONCE).await?;
    for (tenant_id, channel_id) in due {
        let job = CheckChannel {
            tenant_id,
            channel_id,
        };
        jobs::enqueue(&mut tx, &job).await?;
    }
    tx.commit().await?;
    Ok(())
}

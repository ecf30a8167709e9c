use ::channels::Connection;
use chrono::TimeDelta;
use db::TenantTx;
use domain::Content;
use jobs::control;
use store::channels::Channel;
use store::conversations::Conversation;
use store::{contacts, messages};

use crate::Assistant;
use crate::channel_health::send_key;
use crate::connections::connect;

/// How many messages to one contact in [`BUSY_WITHIN`] make its own limit worth counting: half of
/// what any operator lets through at once.
const BUSY_MESSAGES: i64 = 20;

/// How long it takes an operator's limit on one contact to forget that many.
const BUSY_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// The limits that a channel's sends to one contact keep to.
pub(super) struct Limits {
    connection: Option<Box<dyn Connection>>,
    /// The key that every send counts against.
    first: Option<String>,
    /// The contact, where its own limit counts.
    busy: Option<String>,
}

impl Limits {
    /// Every send counts against its channel; against its contact only where many go there, for
    /// each key is a flow of its own to the engine.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn of(
        assistant: &Assistant,
        tx: &mut TenantTx,
        channel: &Channel,
        conversation: &Conversation,
    ) -> db::Result<Self> {
        let none = |first| Self {
            connection: None,
            first,
            busy: None,
        };
        let connection = match connect(assistant, channel) {
            Ok(Some(connection)) => connection,
            Ok(None) => return Ok(none(None)),
            // What is broken shows when the message is to leave.
            Err(_) => return Ok(none(Some(format!("channel:{}", channel.id)))),
        };
        let newest = if conversation.message_seq < BUSY_MESSAGES {
            None
        } else {
            messages::nth_newest_sent(tx, conversation.id, BUSY_MESSAGES - 1).await?
        };
        let is_busy = newest.is_some_and(|at| assistant.clock.now() - at < BUSY_WITHIN);
        let busy = if is_busy {
            let contact = contacts::get(tx, conversation.contact_id).await?;
            Some(contact.send_to().to_owned())
        } else {
            None
        };
        Ok(Self {
            first: Some(send_key(channel.id, connection.as_ref())),
            connection: Some(connection),
            busy,
        })
    }

    /// The keys that the send of a content counts against, with their rates.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn keys(
        &self,
        tx: &mut TenantTx,
        content: &Content,
    ) -> db::Result<[Option<String>; 2]> {
        let mut keys = [self.first.clone(), None];
        let Some(connection) = &self.connection else {
            return Ok(keys);
        };
        let limits = connection.limits(content, self.busy.as_deref().unwrap_or_default());
        let counted = limits
            .into_iter()
            .filter(|limit| !limit.is_contacts || self.busy.is_some());
        for (key, limit) in keys.iter_mut().zip(counted) {
            // What went before the limit was counted counts against it.
            let sent = if limit.is_contacts { BUSY_MESSAGES } else { 0 };
            let burst = limit.burst_after(sent);
            control::ensure_limit(tx, &limit.key, limit.rate_per_second(), burst).await?;
            *key = Some(limit.key);
        }
        Ok(keys)
    }
}

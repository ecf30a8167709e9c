//! Messages in both directions, in the order of their conversation.

mod changes;
mod keep;
mod read;
mod report;
mod send;

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx};
use domain::{
    Author, ChannelId, ConversationId, Direction, MessageId, MessageStatus, Source,
    UnansweredReason,
};
use serde_json::Value;
use uuid::Uuid;

pub use changes::{
    Changed, NewEcho, NewWords, apply_receipt, insert_echo, nth_newest_sent, reword,
};
pub use keep::{Kept, delete_older, leave_turn, list_external_ids};
pub use read::{find_by_external_id, get, history, list, lock, newest_received, turn};
pub use report::{NewReport, Report, apply_report};
pub use send::{
    attach_external_id, begin_sending, mark_failed, mark_sent, mark_unknown, queue_again,
    replace_content, requeue, retry,
};

/// What refuses an id of the channel's that another message of the channel has.
pub const EXTERNAL_ID_KEY: &str = "messages_channel_id_external_id_key";

/// One message of a conversation.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id; for an outbound one also the tag that its sends carry.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// The channel it came or goes by.
    pub channel_id: ChannelId,
    /// Position in the conversation, from 1.
    pub seq: i64,
    /// Which way it goes.
    pub direction: Direction,
    /// Who wrote it.
    pub author: Author,
    /// The turn it belongs to, or answers.
    pub turn: Option<i64>,
    /// What it says.
    pub text: String,
    /// The normalised message, for what `text` cannot hold.
    pub content: Value,
    /// What an answer rests on.
    pub sources: Vec<Source>,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// The operator's number for the failure.
    pub error_code: Option<i64>,
    /// The channel's id of it.
    pub external_id: Option<String>,
    /// How often a send was begun.
    pub send_attempts: i16,
    /// When the latest send was begun.
    pub sending_at: Option<DateTime<Utc>>,
    /// Since when nobody knows whether it was sent.
    pub unknown_at: Option<DateTime<Utc>>,
    /// When the channel took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the contact changed it.
    pub edited_at: Option<DateTime<Utc>>,
    /// When the contact took it back.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it happened, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// Why the machine does not answer it, although the contact waits for an answer.
    pub unanswered_reason: Option<UnansweredReason>,
    /// How often a person had it sent again after it had failed.
    pub retry_count: i16,
}

/// A row as the statements of this module select it.
struct Row {
    id: Uuid,
    conversation_id: Uuid,
    channel_id: Uuid,
    seq: i64,
    direction: String,
    author: String,
    turn: Option<i64>,
    text: String,
    content: Value,
    sources: Value,
    status: String,
    error: Option<String>,
    error_code: Option<i64>,
    external_id: Option<String>,
    send_attempts: i16,
    sending_at: Option<DateTime<Utc>>,
    unknown_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    edited_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    occurred_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    unanswered_reason: Option<String>,
    retry_count: i16,
}

impl TryFrom<Row> for Message {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let corrupt = |what: &str| Error::corrupt(format!("messages.{what} of {}", row.id));
        Ok(Self {
            id: row.id.into(),
            conversation_id: row.conversation_id.into(),
            channel_id: row.channel_id.into(),
            seq: row.seq,
            direction: row.direction.parse().map_err(|_| corrupt("direction"))?,
            author: row.author.parse().map_err(|_| corrupt("author"))?,
            turn: row.turn,
            sources: serde_json::from_value(row.sources).map_err(|_| corrupt("sources"))?,
            status: row.status.parse().map_err(|_| corrupt("status"))?,
            text: row.text,
            content: row.content,
            error: row.error,
            error_code: row.error_code,
            external_id: row.external_id,
            send_attempts: row.send_attempts,
            sending_at: row.sending_at,
            unknown_at: row.unknown_at,
            sent_at: row.sent_at,
            edited_at: row.edited_at,
            revoked_at: row.revoked_at,
            occurred_at: row.occurred_at,
            created_at: row.created_at,
            unanswered_reason: row
                .unanswered_reason
                .map(|reason| reason.parse())
                .transpose()
                .map_err(|_| corrupt("unanswered_reason"))?,
            retry_count: row.retry_count,
        })
    }
}

/// An inbound message to be stored.
#[derive(Clone, Debug)]
pub struct NewInbound<'a> {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// The channel it came by.
    pub channel_id: ChannelId,
    /// Its position.
    pub seq: i64,
    /// Its turn; `None` if it needs no answer.
    pub turn: Option<i64>,
    /// What it says.
    pub text: &'a str,
    /// The normalised message.
    pub content: Value,
    /// The channel's id of it.
    pub external_id: &'a str,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Why the machine does not answer it, although a person said something.
    pub unanswered_reason: Option<UnansweredReason>,
}

/// Stores an inbound message and returns it.
///
/// # Errors
/// `Constraint` [`EXTERNAL_ID_KEY`] if it is there already.
pub async fn insert_inbound(tx: &mut TenantTx, new: &NewInbound<'_>) -> Result<Message> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, seq, direction, author,
                               turn, text, content, status, external_id, occurred_at,
                               unanswered_reason)
         VALUES ($1, $2, $3, $4, $5, 'inbound', 'contact', $6, $7, $8, 'received', $9, $10, $11)
         RETURNING id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                   status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                   edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count",
        MessageId::new().as_uuid(),
        tenant.as_uuid(),
        new.conversation_id.as_uuid(),
        new.channel_id.as_uuid(),
        new.seq,
        new.turn,
        new.text,
        new.content,
        new.external_id,
        new.occurred_at,
        new.unanswered_reason.map(UnansweredReason::as_str),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// An outbound message to be stored, and then sent.
#[derive(Clone, Debug)]
pub struct NewOutbound<'a> {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// The channel it goes by.
    pub channel_id: ChannelId,
    /// Its position.
    pub seq: i64,
    /// Who wrote it.
    pub author: Author,
    /// The turn it answers.
    pub turn: Option<i64>,
    /// What it says.
    pub text: &'a str,
    /// What is sent, where that is more than the text; else `{}`.
    pub content: Value,
    /// What it rests on.
    pub sources: &'a [Source],
}

/// Stores an outbound message as `queued`.
///
/// # Errors
/// `Constraint` `messages_one_answer_key` if the turn has an answer.
pub async fn insert_outbound(tx: &mut TenantTx, new: &NewOutbound<'_>) -> Result<MessageId> {
    let tenant = tx.tenant();
    let id = MessageId::new();
    let sources = serde_json::to_value(new.sources)
        .map_err(|error| Error::corrupt(format!("sources: {error}")))?;
    sqlx::query!(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, seq, direction, author,
                               turn, text, content, sources, status)
         VALUES ($1, $2, $3, $4, $5, 'outbound', $6, $7, $8, $9, $10, 'queued')",
        id.as_uuid(),
        tenant.as_uuid(),
        new.conversation_id.as_uuid(),
        new.channel_id.as_uuid(),
        new.seq,
        new.author.as_str(),
        new.turn,
        new.text,
        new.content,
        sources,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

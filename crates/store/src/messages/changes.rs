//! What happens to messages after they are stored, besides their sends: other wordings, deletions,
//! receipts, and what the business wrote elsewhere.

use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx};
use domain::{ChannelId, ContactId, ConversationId, Direction, MessageId, MessageStatus};
use serde_json::Value;

/// A message that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The message.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Its position.
    pub seq: i64,
    /// Its turn; `None` if it needs no answer.
    pub turn: Option<i64>,
}

/// What a message says from some moment on.
#[derive(Clone, Debug)]
pub struct NewWords<'a> {
    /// Whom it is from or to.
    pub contact: ContactId,
    /// Which way it goes.
    pub direction: Direction,
    /// The channel's id of it.
    pub external_id: &'a str,
    /// What it says.
    pub text: &'a str,
    /// The normalised words.
    pub content: &'a Value,
    /// Whether it was taken back, and these words say so.
    pub is_revoked: bool,
    /// When that was, by the channel's clock.
    pub at: DateTime<Utc>,
}

/// Gives a message its later words; `None` if there is no such message on the contact's channel, or
/// it was taken back, or changed later still and is not taken back by this.
///
/// # Errors
/// Those of the database.
pub async fn reword(tx: &mut TenantTx, new: &NewWords<'_>) -> Result<Option<Changed>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Changed,
        r#"
        UPDATE messages AS m SET
            text = $4, content = $5, updated_at = now(),
            edited_at = CASE WHEN $8 THEN m.edited_at ELSE $6 END,
            revoked_at = CASE WHEN $8 THEN $6::timestamptz END
        FROM conversations AS c
        WHERE m.tenant_id = $1 AND c.id = m.conversation_id AND c.contact_id = $2
          AND m.channel_id = c.channel_id AND m.external_id = $3 AND m.direction = $7
          AND m.revoked_at IS NULL AND ($8 OR m.edited_at IS NULL OR m.edited_at <= $6)
        RETURNING m.id AS "id: MessageId", m.conversation_id AS "conversation_id: ConversationId",
                  m.seq, m.turn
        "#,
        tenant.as_uuid(),
        new.contact.as_uuid(),
        new.external_id,
        new.text,
        new.content,
        new.at,
        new.direction.as_str(),
        new.is_revoked,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Moves our messages to a contact on whose sends began until `up_to`; statuses only move forward.
/// Returns those that it moved.
///
/// # Errors
/// Those of the database.
pub async fn apply_receipt(
    tx: &mut TenantTx,
    channel: ChannelId,
    contact: ContactId,
    status: MessageStatus,
    up_to: DateTime<Utc>,
) -> Result<Vec<MessageId>> {
    let tenant = tx.tenant();
    let ids = sqlx::query_scalar!(
        r#"
        UPDATE messages AS m SET status = $4, updated_at = now()
        FROM conversations AS c
        WHERE c.tenant_id = $1 AND c.channel_id = $2 AND c.contact_id = $3
          AND m.conversation_id = c.id AND m.tenant_id = $1 AND m.direction = 'outbound'
          AND (m.status = 'sent' OR (m.status = 'delivered' AND $4 = 'read'))
          AND coalesce(m.sending_at, m.sent_at, m.occurred_at) <= $5
        RETURNING m.id AS "id: MessageId"
        "#,
        tenant.as_uuid(),
        channel.as_uuid(),
        contact.as_uuid(),
        status.as_str(),
        up_to,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids)
}

/// What the business wrote to a contact in another app of the channel.
#[derive(Clone, Debug)]
pub struct NewEcho<'a> {
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// The channel it went by.
    pub channel_id: ChannelId,
    /// Its position.
    pub seq: i64,
    /// What it says.
    pub text: &'a str,
    /// The normalised message.
    pub content: Value,
    /// The channel's id of it.
    pub external_id: &'a str,
    /// When it was written.
    pub occurred_at: DateTime<Utc>,
}

/// Stores an echo: a person's message that is sent already.
///
/// # Errors
/// `Constraint` `messages_channel_id_external_id_key` if it is there already.
pub async fn insert_echo(tx: &mut TenantTx, new: &NewEcho<'_>) -> Result<MessageId> {
    let tenant = tx.tenant();
    let id = MessageId::new();
    sqlx::query!(
        "INSERT INTO messages (id, tenant_id, conversation_id, channel_id, seq, direction, author,
                               text, content, status, external_id, occurred_at, sent_at)
         VALUES ($1, $2, $3, $4, $5, 'outbound', 'agent', $6, $7, 'sent', $8, $9, $9)",
        id.as_uuid(),
        tenant.as_uuid(),
        new.conversation_id.as_uuid(),
        new.channel_id.as_uuid(),
        new.seq,
        new.text,
        new.content,
        new.external_id,
        new.occurred_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}

/// When the outbound message was stored that stands `nth` from the end, from 0; `None` if there are
/// fewer.
///
/// # Errors
/// Those of the database.
pub async fn nth_newest_sent(
    tx: &mut TenantTx,
    conversation: ConversationId,
    nth: i64,
) -> Result<Option<DateTime<Utc>>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        "SELECT created_at FROM messages
         WHERE tenant_id = $1 AND conversation_id = $2 AND direction = 'outbound'
         ORDER BY seq DESC OFFSET $3 LIMIT 1",
        tenant.as_uuid(),
        conversation.as_uuid(),
        nth,
    )
    .fetch_optional(tx.conn())
    .await?)
}

use db::{Result, TenantTx, Tx};
use domain::{ChannelId, ConversationId, Cursor, MessageId, Page};

use super::{Message, Row};

/// Gets a message.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn get(tx: &mut TenantTx, id: MessageId) -> Result<Message> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count
         FROM messages WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Gets a message and locks its row until commit.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn lock(tx: &mut TenantTx, id: MessageId) -> Result<Message> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count
         FROM messages WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    row.try_into()
}

/// Finds a message by the channel's id of it.
///
/// # Errors
/// Those of the database.
pub async fn find_by_external_id(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
) -> Result<Option<MessageId>> {
    let tenant = tx.tenant();
    let id = sqlx::query_scalar!(
        "SELECT id FROM messages
         WHERE tenant_id = $1 AND channel_id = $2 AND external_id = $3",
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(Into::into))
}

/// Lists what a contact wrote after turn `after` up to turn `until`, in order.
///
/// # Errors
/// Those of the database.
pub async fn turn(
    tx: &mut TenantTx,
    conversation: ConversationId,
    after: i64,
    until: i64,
) -> Result<Vec<Message>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count
         FROM messages
         WHERE tenant_id = $1 AND conversation_id = $2 AND direction = 'inbound'
           AND turn > $3 AND turn <= $4
         ORDER BY seq",
        tenant.as_uuid(),
        conversation.as_uuid(),
        after,
        until,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Message::try_from).collect()
}

/// Lists the last `limit` messages before position `before`, oldest first; failed ones left out.
///
/// # Errors
/// Those of the database.
pub async fn history(
    tx: &mut TenantTx,
    conversation: ConversationId,
    before: i64,
    limit: u32,
) -> Result<Vec<Message>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count
         FROM messages
         WHERE tenant_id = $1 AND conversation_id = $2 AND seq < $3 AND status <> 'failed'
         ORDER BY seq DESC LIMIT $4",
        tenant.as_uuid(),
        conversation.as_uuid(),
        before,
        i64::from(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().rev().map(Message::try_from).collect()
}

/// Lists messages of a conversation after position `after`, in order.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    conversation: ConversationId,
    after: i64,
    limit: usize,
) -> Result<Page<Message>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count
         FROM messages
         WHERE tenant_id = $1 AND conversation_id = $2 AND seq > $3
         ORDER BY seq LIMIT $4",
        tenant.as_uuid(),
        conversation.as_uuid(),
        after,
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let found = rows
        .into_iter()
        .map(Message::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(found, limit, |message| {
        Cursor::after(message.seq)
    }))
}

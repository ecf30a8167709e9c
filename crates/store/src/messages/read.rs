use db::{Result, TenantTx, Tx};
use domain::{ChannelId, ConversationId, Cursor, Direction, MessageId, Page};

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

/// Finds what the channel calls the newest message of the contact's after position `after`, up to
/// `until`.
///
/// # Errors
/// Those of the database.
pub async fn newest_received(
    tx: &mut TenantTx,
    conversation: ConversationId,
    after: i64,
    until: i64,
) -> Result<Option<String>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        SELECT external_id AS "external_id!" FROM messages
        WHERE tenant_id = $1 AND conversation_id = $2 AND direction = 'inbound'
          AND seq > $3 AND seq <= $4 AND external_id IS NOT NULL
        ORDER BY seq DESC LIMIT 1
        "#,
        tenant.as_uuid(),
        conversation.as_uuid(),
        after,
        until,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Lists what a contact wrote after turn `after` up to turn `until` and did not take back, in the
/// order in which it was written: channels may post it in another.
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
           AND turn > $3 AND turn <= $4 AND revoked_at IS NULL
         ORDER BY occurred_at, seq",
        tenant.as_uuid(),
        conversation.as_uuid(),
        after,
        until,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Message::try_from).collect()
}

/// Lists the last `limit` messages before position `before`, oldest first; left out are failed ones,
/// those that were taken back and those that were blocked. What a contact wrote in a row stands in the
/// order in which it was written; between the two sides the order of arrival counts, for their clocks
/// are two.
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
           AND revoked_at IS NULL AND unanswered_reason IS DISTINCT FROM 'blocked'
         ORDER BY seq DESC LIMIT $4",
        tenant.as_uuid(),
        conversation.as_uuid(),
        before,
        i64::from(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let found = rows.into_iter().rev().map(Message::try_from);
    let mut found = found.collect::<Result<Vec<_>>>()?;
    let is_contacts = |message: &Message| message.direction == Direction::Inbound;
    for run in found.chunk_by_mut(|a, b| is_contacts(a) && is_contacts(b)) {
        run.sort_by_key(|message| (message.occurred_at, message.seq));
    }
    Ok(found)
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

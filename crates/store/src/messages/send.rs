//! The states of a send. Each step names the states it starts from, so that a step taken late, or
//! twice, changes nothing.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx};
use domain::MessageId;
use serde_json::Value;

use super::{Message, Row};

/// Commits the intent to send: from `queued` (or, to try once more, from `unknown`) to `sending`.
///
/// # Errors
/// `NotFound` if the message is in no state to be sent.
pub async fn begin_sending(tx: &mut TenantTx, id: MessageId, at: DateTime<Utc>) -> Result<()> {
    let tenant = tx.tenant();
    let changed = sqlx::query!(
        "UPDATE messages SET status = 'sending', send_attempts = send_attempts + 1,
                sending_at = $3, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'unknown')",
        tenant.as_uuid(),
        id.as_uuid(),
        at,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if changed == 1 {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}

/// Notes that the channel took the message. Returns it if that is news.
///
/// # Errors
/// `Constraint` [`EXTERNAL_ID_KEY`](super::EXTERNAL_ID_KEY) if another message has the id.
pub async fn mark_sent(
    tx: &mut TenantTx,
    id: MessageId,
    external_id: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Option<Message>> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE messages SET status = 'sent', sent_at = $4, error = NULL,
                external_id = coalesce(external_id, $3), updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'sending', 'unknown')
         RETURNING id, conversation_id, channel_id, seq, direction, author, turn, text, content, sources,
                   status, error, error_code, external_id, send_attempts, sending_at, unknown_at, sent_at,
                   edited_at, revoked_at, occurred_at, created_at, unanswered_reason, retry_count",
        tenant.as_uuid(),
        id.as_uuid(),
        external_id,
        at,
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Message::try_from).transpose()
}

/// Notes the channel's id of a message whose report came before its answer.
///
/// # Errors
/// As [`mark_sent`].
pub async fn attach_external_id(tx: &mut TenantTx, id: MessageId, external_id: &str) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE messages SET external_id = $3 WHERE tenant_id = $1 AND id = $2
         AND external_id IS NULL",
        tenant.as_uuid(),
        id.as_uuid(),
        external_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that nobody saw the end of the send.
///
/// # Errors
/// Those of the database.
pub async fn mark_unknown(
    tx: &mut TenantTx,
    id: MessageId,
    why: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE messages SET status = 'unknown', error = $3, unknown_at = $4, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status = 'sending'",
        tenant.as_uuid(),
        id.as_uuid(),
        why,
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Puts a message back that surely did not leave.
///
/// # Errors
/// Those of the database.
pub async fn requeue(tx: &mut TenantTx, id: MessageId, why: &str) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE messages SET status = 'queued', error = $3, send_attempts = send_attempts - 1,
                updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status = 'sending'",
        tenant.as_uuid(),
        id.as_uuid(),
        why,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that the message will not be sent. True if that is news.
///
/// # Errors
/// Those of the database.
pub async fn mark_failed(
    tx: &mut TenantTx,
    id: MessageId,
    why: &str,
    code: Option<i64>,
) -> Result<bool> {
    let tenant = tx.tenant();
    let changed = sqlx::query!(
        "UPDATE messages SET status = 'failed', error = $3, error_code = $4, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'sending', 'unknown')",
        tenant.as_uuid(),
        id.as_uuid(),
        why,
        code,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    Ok(changed == 1)
}

/// Queues a failed message once more, as a person asked for it. False if it has not failed, or is
/// not outbound. What its earlier sends are called by the channel counts no more.
///
/// # Errors
/// Those of the database.
pub async fn retry(tx: &mut TenantTx, id: MessageId) -> Result<bool> {
    let tenant = tx.tenant();
    let changed = sqlx::query!(
        "UPDATE messages SET status = 'queued', error = NULL, retry_count = retry_count + 1,
                send_attempts = 0, sending_at = NULL, unknown_at = NULL, sent_at = NULL,
                earlier_external_ids = array_remove(earlier_external_ids || external_id, NULL),
                external_id = NULL, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND direction = 'outbound' AND status = 'failed'",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    Ok(changed == 1)
}

/// Queues a message once more whose failure the channel reported, unless `most` of its sends have
/// failed so; returns how many have. Why it failed stays with it until it is sent. What its earlier
/// sends are called by the channel counts no more.
///
/// # Errors
/// Those of the database.
pub async fn queue_again(tx: &mut TenantTx, id: MessageId, most: i32) -> Result<Option<i32>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"
        UPDATE messages SET status = 'queued', error_code = NULL, send_attempts = 0,
               sending_at = NULL, unknown_at = NULL, sent_at = NULL,
               earlier_external_ids = array_remove(earlier_external_ids || external_id, NULL),
               external_id = NULL, updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND direction = 'outbound' AND status = 'failed'
          AND cardinality(earlier_external_ids) < $3 - 1
        RETURNING cardinality(earlier_external_ids) AS "failures!"
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
        most,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Notes what goes in a message's place, for what it says may not leave now.
///
/// # Errors
/// Those of the database.
pub async fn replace_content(tx: &mut TenantTx, id: MessageId, content: &Value) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE messages SET content = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
        content,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

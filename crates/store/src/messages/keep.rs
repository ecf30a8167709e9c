//! What is noted about messages, and how long they are kept.

use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx};
use domain::{ContactId, MessageId, UnansweredReason};

/// What the channel calls the messages of a contact.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// How many there are.
    pub messages: i64,
    /// The channel's ids of them.
    pub external_ids: Vec<String>,
}

/// Takes a message out of its turn, and notes why the machine does not answer it.
///
/// # Errors
/// Those of the database.
pub async fn leave_turn(
    tx: &mut TenantTx,
    id: MessageId,
    reason: Option<UnansweredReason>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE messages SET turn = NULL, unanswered_reason = $3, updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
        reason.map(UnansweredReason::as_str),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists what the channel calls every message with a contact.
///
/// # Errors
/// Those of the database.
pub async fn list_external_ids(tx: &mut TenantTx, contact: ContactId) -> Result<Kept> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        "SELECT m.external_id, m.earlier_external_ids
         FROM messages AS m JOIN conversations AS v ON v.id = m.conversation_id
         WHERE m.tenant_id = $1 AND v.tenant_id = $1 AND v.contact_id = $2",
        tenant.as_uuid(),
        contact.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    let mut kept = Kept::default();
    for row in rows {
        kept.messages += 1;
        kept.external_ids.extend(row.external_id);
        kept.external_ids.extend(row.earlier_external_ids);
    }
    Ok(kept)
}

/// Deletes up to `limit` of a tenant's messages that were stored before a time; what is still on its
/// way out stays. Returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM messages WHERE tenant_id = $1 AND id = ANY(ARRAY(
             SELECT id FROM messages
             WHERE tenant_id = $1 AND created_at < $2 AND created_at > '-infinity'
               AND status NOT IN ('queued', 'sending', 'unknown')
             ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED))",
        tenant.as_uuid(),
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

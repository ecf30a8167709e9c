//! Later wordings and deletions that came before the message they speak of.

use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx};
use domain::{ChannelId, ContactId, Direction};
use serde_json::Value;
use uuid::Uuid;

/// How many wait on one channel at most; the oldest make room.
pub const MAX_OF_CHANNEL: i64 = 1_000;

/// The message that a change speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The channel it comes or went by.
    pub channel_id: ChannelId,
    /// Whom it is from or to.
    pub contact_id: ContactId,
    /// Which way it goes.
    pub direction: Direction,
    /// The channel's id of it.
    pub external_id: &'a str,
}

/// A change that waits for its message.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedChange {
    /// The normalised edit or deletion.
    pub content: Value,
    /// When it was made, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
}

/// Keeps a change until its message comes. Of several the last one counts, and a deletion above all;
/// beyond [`MAX_OF_CHANNEL`] the channel's oldest are let go.
///
/// The caller holds the contact's row, as whoever stores its messages does: else each could look
/// before the other has written.
///
/// # Errors
/// Those of the database.
pub async fn park(tx: &mut TenantTx, target: &Target<'_>, parked: &ParkedChange) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "INSERT INTO parked_changes AS kept
             (id, tenant_id, channel_id, contact_id, direction, external_id, content, occurred_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (contact_id, direction, external_id) DO UPDATE SET
             content = excluded.content, occurred_at = excluded.occurred_at
         WHERE kept.content ->> 'type' <> 'revoke'
           AND (excluded.content ->> 'type' = 'revoke' OR kept.occurred_at <= excluded.occurred_at)",
        Uuid::new_v4(),
        tenant.as_uuid(),
        target.channel_id.as_uuid(),
        target.contact_id.as_uuid(),
        target.direction.as_str(),
        target.external_id,
        parked.content,
        parked.occurred_at,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "DELETE FROM parked_changes WHERE tenant_id = $1 AND id IN (
             SELECT id FROM parked_changes
             WHERE tenant_id = $1 AND channel_id = $2
             ORDER BY created_at DESC, id OFFSET $3)",
        tenant.as_uuid(),
        target.channel_id.as_uuid(),
        MAX_OF_CHANNEL,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the change that waited for a message.
///
/// # Errors
/// Those of the database.
pub async fn take(tx: &mut TenantTx, target: &Target<'_>) -> Result<Option<ParkedChange>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        ParkedChange,
        "DELETE FROM parked_changes
         WHERE tenant_id = $1 AND channel_id = $2 AND contact_id = $3 AND direction = $4
           AND external_id = $5
         RETURNING content, occurred_at",
        tenant.as_uuid(),
        target.channel_id.as_uuid(),
        target.contact_id.as_uuid(),
        target.direction.as_str(),
        target.external_id,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Deletes changes of all tenants whose message never came; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let deleted = sqlx::query!("DELETE FROM parked_changes WHERE created_at < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(deleted.rows_affected())
}

/// Deletes up to `limit` of a tenant's changes that came before a time; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older_of_tenant(
    tx: &mut TenantTx,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM parked_changes WHERE tenant_id = $1 AND id = ANY(ARRAY(
             SELECT id FROM parked_changes
             WHERE tenant_id = $1 AND created_at < $2
             ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED))",
        tenant.as_uuid(),
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

/// Counts the changes that wait for what a contact wrote or was written; they go with the contact.
///
/// # Errors
/// Those of the database.
pub async fn count_of_contact(tx: &mut TenantTx, contact: ContactId) -> Result<i64> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM parked_changes WHERE tenant_id = $1 AND contact_id = $2"#,
        tenant.as_uuid(),
        contact.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?)
}

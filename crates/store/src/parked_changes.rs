//! Later wordings and deletions that came before the message they speak of.

use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx};
use domain::{ChannelId, ContactId, Direction, RawOutcome};
use serde_json::Value;
use uuid::Uuid;

use crate::raw_items::{self, RawItemAt};

/// How many wait on one channel at most; the oldest make room.
pub const MAX_OF_CHANNEL: i64 = 1_000;

/// Why a change came to nothing: it waited for as long as any does.
pub const NEVER_CAME: &str = "the message that it changes never came";
/// The same, before its time was over.
pub const MADE_ROOM: &str =
    "the message that it changes had not come when too many newer changes of the channel waited";

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
/// beyond [`MAX_OF_CHANNEL`] the channel's oldest are let go, and the items that told of them say so.
///
/// The caller holds the contact's row, as whoever stores its messages does: else each could look
/// before the other has written.
///
/// # Errors
/// Those of the database.
pub async fn park(
    tx: &mut TenantTx,
    target: &Target<'_>,
    parked: &ParkedChange,
    told_by: RawItemAt,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "INSERT INTO parked_changes AS kept
             (id, tenant_id, channel_id, contact_id, direction, external_id, content, occurred_at,
              raw_item_id, raw_received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (contact_id, direction, external_id) DO UPDATE SET
             content = excluded.content, occurred_at = excluded.occurred_at,
             raw_item_id = excluded.raw_item_id, raw_received_at = excluded.raw_received_at
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
        told_by.id.as_uuid(),
        told_by.received_at,
    )
    .execute(tx.conn())
    .await?;
    let gone = sqlx::query_as!(
        Gone,
        "DELETE FROM parked_changes WHERE tenant_id = $1 AND id IN (
             SELECT id FROM parked_changes
             WHERE tenant_id = $1 AND channel_id = $2
             ORDER BY created_at DESC, id OFFSET $3)
         RETURNING raw_item_id, raw_received_at",
        tenant.as_uuid(),
        target.channel_id.as_uuid(),
        MAX_OF_CHANNEL,
    )
    .fetch_all(tx.conn())
    .await?;
    tell(tx, &gone, MADE_ROOM).await
}

/// A change that was let go. Nothing is known of the item of one that an older version kept.
struct Gone {
    raw_item_id: Option<Uuid>,
    raw_received_at: Option<DateTime<Utc>>,
}

/// Says at the items that told of changes why they came to nothing.
async fn tell(tx: &mut TenantTx, gone: &[Gone], why: &str) -> Result<()> {
    for change in gone {
        if let (Some(id), Some(received_at)) = (change.raw_item_id, change.raw_received_at) {
            let outcome = RawOutcome::Failed;
            raw_items::settle(tx, id.into(), received_at, outcome, Some(why)).await?;
        }
    }
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

/// Deletes changes of all tenants whose message never came, and says so at the items that told of
/// them; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let deleted = sqlx::query_scalar!(
        r#"
        WITH gone AS (
            DELETE FROM parked_changes WHERE created_at < $1
            RETURNING raw_item_id, raw_received_at
        ), told AS (
            UPDATE raw_items AS r SET outcome = $2, error = $3
            FROM gone
            WHERE r.id = gone.raw_item_id AND r.received_at = gone.raw_received_at
        )
        SELECT count(*) AS "count!" FROM gone
        "#,
        before,
        RawOutcome::Failed.as_str(),
        NEVER_CAME,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(deleted.unsigned_abs())
}

/// Deletes up to `limit` of a tenant's changes that came before a time, and says so at the items that
/// told of them; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older_of_tenant(
    tx: &mut TenantTx,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64> {
    let tenant = tx.tenant();
    let gone = sqlx::query_as!(
        Gone,
        "DELETE FROM parked_changes WHERE tenant_id = $1 AND id = ANY(ARRAY(
             SELECT id FROM parked_changes
             WHERE tenant_id = $1 AND created_at < $2
             ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED))
         RETURNING raw_item_id, raw_received_at",
        tenant.as_uuid(),
        before,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    tell(tx, &gone, NEVER_CAME).await?;
    Ok(gone.len() as u64)
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

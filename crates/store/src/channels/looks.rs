//! How channels are found to be, and when they are looked at.

use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx};
use domain::{ChannelHealth, ChannelId, TenantId};

/// Notes how a channel was found to be. True if it was found otherwise before.
///
/// # Errors
/// Those of the database.
pub async fn set_health(
    tx: &mut TenantTx,
    id: ChannelId,
    health: ChannelHealth,
    note: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let tenant = tx.tenant();
    let changed = sqlx::query_scalar!(
        r#"
        UPDATE channels AS c
        SET health = $3,
            health_note = $4,
            health_at = CASE WHEN old.health = $3 THEN c.health_at ELSE $5 END
        FROM (SELECT id, health FROM channels WHERE tenant_id = $1 AND id = $2 FOR UPDATE) AS old
        WHERE c.id = old.id
        RETURNING old.health <> $3 AS "changed!"
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
        health.as_str(),
        note,
        at,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(changed.unwrap_or(false))
}

/// Takes the channels of all tenants that were not looked at since `before`, at most `limit`, and
/// notes that they are being looked at `now`.
///
/// # Errors
/// Those of the database.
pub async fn take_unchecked(
    tx: &mut SystemTx,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(TenantId, ChannelId)>> {
    let rows = sqlx::query!(
        r#"
        UPDATE channels SET checked_at = $2
        WHERE id IN (
            SELECT id FROM channels
            WHERE enabled AND kind <> 'webchat' AND (checked_at IS NULL OR checked_at < $1)
            ORDER BY checked_at NULLS FIRST LIMIT $3
            FOR UPDATE SKIP LOCKED)
        RETURNING id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId"
        "#,
        before,
        now,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id, row.id))
        .collect())
}

/// Notes that a channel was looked at.
///
/// # Errors
/// Those of the database.
pub async fn mark_checked(tx: &mut TenantTx, id: ChannelId, at: DateTime<Utc>) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE channels SET checked_at = $3 WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

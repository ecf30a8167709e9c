//! When tenants' providers were last looked at by the schedule.

use chrono::{DateTime, Utc};
use db::{Result, SystemTx, TenantTx, Tx as _};
use domain::TenantId;

/// Takes the tenants whose providers were not looked at since `before`, at most `limit`, the longest
/// ago first, and notes that they are being looked at `now`. Those that only have what is built in
/// are passed over, unless the platform `embeds_by_provider`, which is theirs if they chose nothing.
///
/// # Errors
/// Those of the database.
pub async fn take_due(
    tx: &mut SystemTx,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    embeds_by_provider: bool,
    limit: i64,
) -> Result<Vec<TenantId>> {
    let taken = sqlx::query_scalar!(
        r#"
        INSERT INTO provider_checks AS c (tenant_id, checked_at)
        SELECT t.id, $2
        FROM tenants AS t
        LEFT JOIN provider_checks AS last ON last.tenant_id = t.id
        WHERE t.enabled
          AND (last.checked_at IS NULL OR last.checked_at < $1)
          AND (t.settings #>> '{llm,provider}' <> 'builtin'
               OR t.settings #> '{llm,fallbacks,0}' IS NOT NULL
               OR t.settings ->> 'embedding' IS NOT NULL
               OR $4)
        ORDER BY last.checked_at NULLS FIRST, t.id
        LIMIT $3
        ON CONFLICT (tenant_id) DO UPDATE SET checked_at = EXCLUDED.checked_at
        WHERE c.checked_at < $1
        RETURNING tenant_id AS "tenant_id: TenantId"
        "#,
        before,
        now,
        limit,
        embeds_by_provider,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(taken)
}

/// Makes the tenant due at once: it changed whom it calls or with which keys.
///
/// # Errors
/// Those of the database.
pub async fn make_due(tx: &mut TenantTx) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "DELETE FROM provider_checks WHERE tenant_id = $1",
        tenant.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

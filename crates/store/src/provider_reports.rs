//! What tenants were told of dead accounts at providers.

use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx as _};

/// Notes that the tenant is told that an account is dead; false: it knows.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut TenantTx, account: &str, at: DateTime<Utc>) -> Result<bool> {
    let tenant = tx.tenant();
    let inserted = sqlx::query!(
        "
        INSERT INTO provider_reports (tenant_id, account, reported_at)
        VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, account) DO NOTHING
        ",
        tenant.as_uuid(),
        account,
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Notes that the tenant is told that an account is alive again; false: it was not told that it was
/// dead.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, account: &str) -> Result<bool> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM provider_reports WHERE tenant_id = $1 AND account = $2",
        tenant.as_uuid(),
        account,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected() > 0)
}

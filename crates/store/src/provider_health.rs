//! How tenants' accounts at providers do.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{CircuitState, Health, UnknownName};

/// How an account does, as the process saw it that last noted a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHealth {
    /// The account; see [`domain::LlmChoice::account`].
    pub account: String,
    /// How it does.
    pub health: Health,
    /// Since when it does so.
    pub since: DateTime<Utc>,
    /// Whether calls are let through to it.
    pub circuit: CircuitState,
    /// When an open circuit lets a call through again.
    pub retry_at: Option<DateTime<Utc>>,
    /// What went wrong last.
    pub fault: Option<String>,
    /// When that was.
    pub failed_at: Option<DateTime<Utc>>,
    /// When somebody last looked.
    pub seen_at: DateTime<Utc>,
}

/// How an account does at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The account.
    pub account: &'a str,
    /// How it does.
    pub health: Health,
    /// Whether calls are let through to it.
    pub circuit: CircuitState,
    /// When an open circuit lets a call through again.
    pub retry_at: Option<DateTime<Utc>>,
    /// What went wrong just now; `None`: nothing did, and what was wrong before stays to be read.
    pub fault: Option<&'a str>,
    /// The present time.
    pub at: DateTime<Utc>,
}

/// Notes how an account does; `since` moves only when its health changes.
///
/// # Errors
/// Those of the database.
pub async fn put(tx: &mut TenantTx, seen: &Seen<'_>) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "
        INSERT INTO provider_health AS h (tenant_id, account, health, since, circuit, retry_at,
                                          fault, failed_at, seen_at)
        VALUES ($1, $2, $3, $7, $4, $5, $6::text,
                CASE WHEN $6::text IS NOT NULL THEN $7::timestamptz END, $7)
        ON CONFLICT (tenant_id, account) DO UPDATE
        SET health = EXCLUDED.health,
            since = CASE WHEN h.health = EXCLUDED.health THEN h.since ELSE EXCLUDED.since END,
            circuit = EXCLUDED.circuit,
            retry_at = EXCLUDED.retry_at,
            fault = coalesce(EXCLUDED.fault, h.fault),
            failed_at = coalesce(EXCLUDED.failed_at, h.failed_at),
            seen_at = EXCLUDED.seen_at
        ",
        tenant.as_uuid(),
        seen.account,
        seen.health.as_str(),
        seen.circuit.as_str(),
        seen.retry_at,
        seen.fault,
        seen.at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists what is known of the tenant's accounts.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ProviderHealth>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        "
        SELECT account, health, since, circuit, retry_at, fault, failed_at, seen_at
        FROM provider_health
        WHERE tenant_id = $1
        ORDER BY account
        ",
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    let corrupt = |error: UnknownName| Error::corrupt(error.to_string());
    rows.into_iter()
        .map(|row| {
            Ok(ProviderHealth {
                account: row.account,
                health: row.health.parse().map_err(corrupt)?,
                since: row.since,
                circuit: row.circuit.parse().map_err(corrupt)?,
                retry_at: row.retry_at,
                fault: row.fault,
                failed_at: row.failed_at,
                seen_at: row.seen_at,
            })
        })
        .collect()
}

/// Forgets all that is known, because the tenant changed whom it calls or with which keys.
///
/// # Errors
/// Those of the database.
pub async fn delete_all(tx: &mut TenantTx) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "DELETE FROM provider_health WHERE tenant_id = $1",
        tenant.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

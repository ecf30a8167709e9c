//! What a tenant's own server vouches for its logged-in users with, for each web chat: the current
//! secret, and while it is replaced the one before.

use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx as _};
use domain::{ChannelId, IdentitySecretId};

/// Table and column that [`IdentitySecret::sealed_secret`] is sealed for.
pub const SECRET_COLUMN: (&str, &str) = ("webchat_identity_secrets", "sealed_secret");

/// A secret, sealed.
#[derive(Clone, Debug)]
pub struct IdentitySecret {
    /// Its id.
    pub id: IdentitySecretId,
    /// The secret, sealed for [`SECRET_COLUMN`].
    pub sealed_secret: Vec<u8>,
}

/// Makes a secret the current one of one of the tenant's chats. The one before counts until
/// `previous_until`; those before that go.
///
/// # Errors
/// Those of the database.
pub async fn replace(
    tx: &mut TenantTx,
    channel: ChannelId,
    new: &IdentitySecret,
    now: DateTime<Utc>,
    previous_until: DateTime<Utc>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "DELETE FROM webchat_identity_secrets
         WHERE tenant_id = $1 AND channel_id = $2 AND expires_at IS NOT NULL",
        tenant.as_uuid(),
        channel.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE webchat_identity_secrets SET expires_at = $3
         WHERE tenant_id = $1 AND channel_id = $2",
        tenant.as_uuid(),
        channel.as_uuid(),
        previous_until,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO webchat_identity_secrets (id, tenant_id, channel_id, sealed_secret, created_at)
         VALUES ($1, $2, $3, $4, $5)",
        new.id.as_uuid(),
        tenant.as_uuid(),
        channel.as_uuid(),
        new.sealed_secret,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists the secrets of one of the tenant's chats that count at a time, the current one first.
///
/// # Errors
/// Those of the database.
pub async fn list_valid(
    tx: &mut TenantTx,
    channel: ChannelId,
    now: DateTime<Utc>,
) -> Result<Vec<IdentitySecret>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        IdentitySecret,
        r#"
        SELECT id AS "id: IdentitySecretId", sealed_secret
        FROM webchat_identity_secrets
        WHERE tenant_id = $1
          AND channel_id = $2
          AND (expires_at IS NULL OR expires_at > $3)
        ORDER BY expires_at NULLS FIRST
        "#,
        tenant.as_uuid(),
        channel.as_uuid(),
        now,
    )
    .fetch_all(tx.conn())
    .await?)
}

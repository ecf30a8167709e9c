//! Tokens that an operator shows before anybody knows whose they are, found by their hashes.

use db::{Result, SystemTx, Tx};
use domain::{ChannelId, ChannelKind, TenantId};

use super::{Channel, Row};

/// Tells whether a channel of a kind, of any tenant, has a verify token of one of these hashes.
///
/// # Errors
/// Those of the database.
pub async fn has_verify_token(
    tx: &mut SystemTx,
    kind: ChannelKind,
    hashes: &[Vec<u8>],
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM channels WHERE kind = $1 AND verify_token_hash = ANY($2))
            AS "exists!"
        "#,
        kind.as_str(),
        hashes,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Lists up to `limit` channels of a kind, of all tenants, whose verify token is not hashed yet, oldest
/// first, after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list_unhashed(
    tx: &mut SystemTx,
    kind: ChannelKind,
    after: Option<ChannelId>,
    limit: i64,
) -> Result<Vec<Channel>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE kind = $1
          AND verify_token_hash IS NULL
          AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id
        LIMIT $3
        "#,
        kind.as_str(),
        after.map(ChannelId::as_uuid),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Channel::try_from).collect()
}

/// Notes the hash of a channel's verify token, empty where it has none, unless its secrets have changed
/// since they were read.
///
/// # Errors
/// Those of the database.
pub async fn set_verify_token_hash(
    tx: &mut SystemTx,
    channel: &Channel,
    hash: &[u8],
) -> Result<()> {
    sqlx::query!(
        "UPDATE channels SET verify_token_hash = $2
         WHERE id = $1 AND sealed_secrets IS NOT DISTINCT FROM $3",
        channel.id.as_uuid(),
        hash,
        channel.sealed_secrets.as_deref(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! Channels of any tenant: whose a post is shows only by what it names.

use db::{Result, SystemTx, Tx};
use domain::{ChannelId, ChannelKind, TenantId};

use super::{Channel, Row};

/// Finds a channel of any tenant, for what arrives at its own address.
///
/// # Errors
/// Those of the database.
pub async fn find_any(tx: &mut SystemTx, id: ChannelId) -> Result<Option<Channel>> {
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE id = $1
        "#,
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Channel::try_from)
    .transpose()
}

/// Lists the channels of any tenant that the outside names so, for what arrives at a shared address.
///
/// # Errors
/// Those of the database.
pub async fn list_by_external_ids(
    tx: &mut SystemTx,
    kind: ChannelKind,
    external_ids: &[String],
) -> Result<Vec<Channel>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE kind = $1
          AND external_id = ANY($2)
        ORDER BY id
        "#,
        kind.as_str(),
        external_ids,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Channel::try_from).collect()
}

/// Lists the channels of any tenant that belong to these accounts of their operator, for what
/// concerns a whole account.
///
/// # Errors
/// Those of the database.
pub async fn list_by_accounts(
    tx: &mut SystemTx,
    kind: ChannelKind,
    accounts: &[String],
) -> Result<Vec<Channel>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE kind = $1
          AND config ? 'business_account_id'
          AND config ->> 'business_account_id' = ANY($2)
        ORDER BY id
        "#,
        kind.as_str(),
        accounts,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Channel::try_from).collect()
}

//! Keys to the API. Only the hash of a key is stored.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use db::{Result, SystemTx, TenantTx, Tx as _};
use domain::{ApiKeyId, Cursor, Page, TenantId};

/// A key to the API, without the key itself.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// How the key begins, for people to tell keys apart.
    pub prefix: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it stops working; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewApiKey<'a> {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it, 1 to 200 characters.
    pub name: &'a str,
    /// How the key begins.
    pub prefix: &'a str,
    /// SHA-256 of the whole key.
    pub hash: &'a [u8; 32],
    /// When it stops working; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The key.
    pub id: ApiKeyId,
    /// Its tenant; `None`: the key is an operator's.
    pub tenant: Option<TenantId>,
    /// When it stops working; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How exactly `last_used_at` is kept.
const LAST_USED_STEP: Duration = Duration::from_mins(1);

/// Stores a key of the transaction's tenant.
///
/// # Errors
/// The constraint `api_keys_key_hash_key`, and those of the database.
pub async fn insert(tx: &mut TenantTx, key: &NewApiKey<'_>) -> Result<ApiKey> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        ApiKey,
        r#"
        INSERT INTO api_keys (id, tenant_id, name, prefix, key_hash, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING id AS "id: ApiKeyId", name, prefix, created_at, last_used_at, expires_at, revoked_at
        "#,
        key.id.as_uuid(),
        tenant.as_uuid(),
        key.name,
        key.prefix,
        key.hash,
        key.expires_at,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Stores an operator's key, which works for every tenant.
///
/// # Errors
/// The constraint `api_keys_key_hash_key`, and those of the database.
pub async fn insert_operator(tx: &mut SystemTx, key: &NewApiKey<'_>) -> Result<ApiKey> {
    Ok(sqlx::query_as!(
        ApiKey,
        r#"
        INSERT INTO api_keys (id, tenant_id, name, prefix, key_hash, expires_at)
        VALUES ($1, NULL, $2, $3, $4, $5)
        RETURNING id AS "id: ApiKeyId", name, prefix, created_at, last_used_at, expires_at, revoked_at
        "#,
        key.id.as_uuid(),
        key.name,
        key.prefix,
        key.hash,
        key.expires_at,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Lists the tenant's keys, oldest first, revoked ones included.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    after: Option<ApiKeyId>,
    limit: usize,
) -> Result<Page<ApiKey>> {
    let tenant = tx.tenant();
    let keys = sqlx::query_as!(
        ApiKey,
        r#"
        SELECT id AS "id: ApiKeyId", name, prefix, created_at, last_used_at, expires_at, revoked_at
        FROM api_keys
        WHERE tenant_id = $1
          AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id
        LIMIT $3
        "#,
        tenant.as_uuid(),
        after.map(ApiKeyId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Page::from_rows(keys, limit, |key| Cursor::after(key.id)))
}

/// Revokes a key of the tenant's; tells whether there is one. Revoking twice changes nothing.
///
/// # Errors
/// Those of the database.
pub async fn revoke(tx: &mut TenantTx, id: ApiKeyId, now: DateTime<Utc>) -> Result<bool> {
    let tenant = tx.tenant();
    let revoked = sqlx::query!(
        "
        UPDATE api_keys
        SET revoked_at = coalesce(revoked_at, $3)
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(revoked.rows_affected() == 1)
}

/// Finds whose key has this hash; a revoked one is nobody's. Whether it has expired is the
/// caller's to judge.
///
/// # Errors
/// Those of the database.
pub async fn find_owner(tx: &mut SystemTx, hash: &[u8; 32]) -> Result<Option<KeyOwner>> {
    Ok(sqlx::query_as!(
        KeyOwner,
        r#"
        SELECT id AS "id: ApiKeyId", tenant_id AS "tenant: TenantId", expires_at
        FROM api_keys
        WHERE key_hash = $1
          AND revoked_at IS NULL
        "#,
        hash,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Notes that a key was used; within a minute of the last note it does nothing.
///
/// # Errors
/// Those of the database.
pub async fn touch(tx: &mut SystemTx, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
    let step = TimeDelta::from_std(LAST_USED_STEP).unwrap_or_default();
    sqlx::query!(
        "
        UPDATE api_keys
        SET last_used_at = $2
        WHERE id = $1
          AND (last_used_at IS NULL OR last_used_at <= $3)
        ",
        id.as_uuid(),
        now,
        now - step,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! Tenants: the businesses that use the product.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{Cursor, Page, TenantId, TenantSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A business that uses the product.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// Whether its channels are answered.
    pub enabled: bool,
    /// What it set and may read back.
    pub settings: TenantSettings,
    /// What it set and may not read back, sealed for [`SECRETS_COLUMN`].
    pub sealed_secrets: Option<Vec<u8>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a tenant set and may not read back, as it is sealed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSecrets {
    /// The tenant's own key to the provider that is first in its settings. This one and the next two
    /// go to the address that the settings name: whoever changes that lets go of the key.
    pub llm_api_key: Option<String>,
    /// The tenant's own key to its reranker.
    pub rerank_api_key: Option<String>,
    /// The tenant's own key to the provider of its embeddings.
    pub embedding_api_key: Option<String>,
    /// The tenant's own keys to providers, by account; see [`domain::LlmChoice::account`].
    pub llm_api_keys: BTreeMap<String, String>,
    /// What posts to the tenant's moderation service are signed with, as `whsec_…`.
    pub moderation_secret: Option<String>,
}

impl TenantSecrets {
    /// Whether there is nothing to seal.
    pub fn is_empty(&self) -> bool {
        self.llm_api_key.is_none()
            && self.llm_api_keys.is_empty()
            && self.rerank_api_key.is_none()
            && self.embedding_api_key.is_none()
            && self.moderation_secret.is_none()
    }
}

impl fmt::Debug for TenantSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSecrets").finish_non_exhaustive()
    }
}

/// Table and column that [`Tenant::sealed_secrets`] is sealed for.
pub const SECRETS_COLUMN: (&str, &str) = ("tenants", "sealed_secrets");

/// A tenant to be created, or the whole of its changeable part.
#[derive(Clone, Debug)]
pub struct TenantValues<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its channels are answered.
    pub enabled: bool,
    /// What it may read back.
    pub settings: &'a TenantSettings,
    /// What it may not read back, sealed.
    pub sealed_secrets: Option<&'a [u8]>,
}

struct Row {
    id: TenantId,
    name: String,
    enabled: bool,
    settings: Value,
    sealed_secrets: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Tenant {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let settings = serde_json::from_value(row.settings)
            .map_err(|_| Error::corrupt(format!("settings of tenant {}", row.id)))?;
        Ok(Self {
            id: row.id,
            name: row.name,
            enabled: row.enabled,
            settings,
            sealed_secrets: row.sealed_secrets,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn to_json(settings: &TenantSettings) -> Result<Value> {
    serde_json::to_value(settings).map_err(|_| Error::corrupt("settings of a tenant"))
}

/// Creates a tenant.
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &mut SystemTx, id: TenantId, values: &TenantValues<'_>) -> Result<Tenant> {
    sqlx::query_as!(
        Row,
        r#"
        INSERT INTO tenants (id, name, enabled, settings, sealed_secrets)
        VALUES ($1, $2, $3, $4, $5)
        RETURNING id AS "id: TenantId", name, enabled, settings, sealed_secrets, created_at, updated_at
        "#,
        id.as_uuid(),
        values.name,
        values.enabled,
        to_json(values.settings)?,
        values.sealed_secrets,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Finds the tenant of the transaction.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx) -> Result<Option<Tenant>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: TenantId", name, enabled, settings, sealed_secrets, created_at, updated_at
        FROM tenants
        WHERE id = $1
        "#,
        tenant.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Tenant::try_from)
    .transpose()
}

/// Finds the tenant of the transaction and locks its row until the end of the transaction.
///
/// # Errors
/// Those of the database.
pub async fn find_for_update(tx: &mut TenantTx) -> Result<Option<Tenant>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: TenantId", name, enabled, settings, sealed_secrets, created_at, updated_at
        FROM tenants
        WHERE id = $1
        FOR UPDATE
        "#,
        tenant.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Tenant::try_from)
    .transpose()
}

/// Whether the tenant of the transaction exists.
///
/// # Errors
/// Those of the database.
pub async fn exists(tx: &mut TenantTx) -> Result<bool> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tenants WHERE id = $1) AS "exists!""#,
        tenant.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Gets the tenant of the transaction.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx) -> Result<Tenant> {
    find(tx).await?.ok_or(Error::NotFound)
}

/// Lists all tenants, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut SystemTx,
    after: Option<TenantId>,
    limit: usize,
) -> Result<Page<Tenant>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: TenantId", name, enabled, settings, sealed_secrets, created_at, updated_at
        FROM tenants
        WHERE $1::uuid IS NULL OR id > $1
        ORDER BY id
        LIMIT $2
        "#,
        after.map(TenantId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let tenants = rows
        .into_iter()
        .map(Tenant::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(tenants, limit, |tenant| {
        Cursor::after(tenant.id)
    }))
}

/// Replaces what can change of the transaction's tenant.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn update(tx: &mut TenantTx, values: &TenantValues<'_>) -> Result<Tenant> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        UPDATE tenants
        SET name = $2,
            enabled = $3,
            settings = $4,
            sealed_secrets = $5,
            updated_at = now()
        WHERE id = $1
        RETURNING id AS "id: TenantId", name, enabled, settings, sealed_secrets, created_at, updated_at
        "#,
        tenant.as_uuid(),
        values.name,
        values.enabled,
        to_json(values.settings)?,
        values.sealed_secrets,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Deletes a tenant with everything it has, its waiting jobs included; a job that runs at this very
/// moment finds nothing to work on. Tells whether there was one.
///
/// Uploaded files are not touched: collect their keys with
/// [`documents::list_file_keys`](crate::documents::list_file_keys) before.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut SystemTx, id: TenantId) -> Result<bool> {
    crate::channels::say_changed(tx, None);
    let deleted = sqlx::query!("DELETE FROM tenants WHERE id = $1", id.as_uuid())
        .execute(tx.conn())
        .await?
        .rows_affected();
    sqlx::query!(
        "
        WITH gone AS (
            DELETE FROM jobs
            WHERE tenant_id = $1
              AND state <> 3
            RETURNING kind, ordering_key
        ),
        freed AS (
            SELECT kind, ordering_key AS key
            FROM gone
            WHERE ordering_key IS NOT NULL
            EXCEPT
            SELECT kind, ordering_key
            FROM jobs
            WHERE tenant_id = $1
              AND state = 3
        )
        DELETE FROM job_keys AS k
        USING freed AS f
        WHERE k.kind = f.kind
          AND k.key = f.key
        ",
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted == 1)
}

/// Lists tenants that keep messages for a number of days only, and the number.
///
/// # Errors
/// Those of the database.
pub async fn list_forgetting(tx: &mut SystemTx) -> Result<Vec<(TenantId, i32)>> {
    let rows = sqlx::query!(
        r#"
        SELECT id AS "id: TenantId", (settings ->> 'retention_days')::int AS "days!"
        FROM tenants
        WHERE (settings ->> 'retention_days')::int > 0
        ORDER BY id
        "#,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.days)).collect())
}

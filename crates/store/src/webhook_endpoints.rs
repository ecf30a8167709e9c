//! Webhook endpoints: addresses that receive a tenant's events.

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{Cursor, EndpointId, Page};

/// An address that receives a tenant's events.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The address.
    pub url: String,
    /// What it is for, in the tenant's words; may be empty.
    pub description: String,
    /// The events it receives; empty: every event.
    pub event_types: Vec<String>,
    /// What deliveries are signed with, sealed for [`SECRET_COLUMN`].
    pub sealed_secret: Vec<u8>,
    /// Whether it receives anything.
    pub enabled: bool,
    /// Why the product switched it off.
    pub disabled_reason: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Table and column that [`Endpoint::sealed_secret`] is sealed for.
pub const SECRET_COLUMN: (&str, &str) = ("webhook_endpoints", "sealed_secret");

/// What a tenant can change of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointValues<'a> {
    /// The address.
    pub url: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// The events it receives; empty: every event.
    pub event_types: &'a [String],
    /// Whether it receives anything; switching it on clears why it was switched off.
    pub enabled: bool,
}

/// Creates an endpoint of the transaction's tenant.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    tx: &mut TenantTx,
    id: EndpointId,
    values: &EndpointValues<'_>,
    sealed_secret: &[u8],
) -> Result<Endpoint> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Endpoint,
        r#"
        INSERT INTO webhook_endpoints (id, tenant_id, url, description, event_types, enabled, sealed_secret)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id AS "id: EndpointId", url, description, event_types, sealed_secret, enabled,
                  disabled_reason, created_at, updated_at
        "#,
        id.as_uuid(),
        tenant.as_uuid(),
        values.url,
        values.description,
        values.event_types,
        values.enabled,
        sealed_secret,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Finds an endpoint of the tenant's.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: EndpointId) -> Result<Option<Endpoint>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Endpoint,
        r#"
        SELECT id AS "id: EndpointId", url, description, event_types, sealed_secret, enabled,
               disabled_reason, created_at, updated_at
        FROM webhook_endpoints
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Finds an endpoint of the tenant's and locks its row until the end of the transaction.
///
/// # Errors
/// Those of the database.
pub async fn find_for_update(tx: &mut TenantTx, id: EndpointId) -> Result<Option<Endpoint>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Endpoint,
        r#"
        SELECT id AS "id: EndpointId", url, description, event_types, sealed_secret, enabled,
               disabled_reason, created_at, updated_at
        FROM webhook_endpoints
        WHERE tenant_id = $1
          AND id = $2
        FOR UPDATE
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Gets an endpoint of the tenant's.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx, id: EndpointId) -> Result<Endpoint> {
    find(tx, id).await?.ok_or(Error::NotFound)
}

/// Lists the tenant's endpoints, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    after: Option<EndpointId>,
    limit: usize,
) -> Result<Page<Endpoint>> {
    let tenant = tx.tenant();
    let endpoints = sqlx::query_as!(
        Endpoint,
        r#"
        SELECT id AS "id: EndpointId", url, description, event_types, sealed_secret, enabled,
               disabled_reason, created_at, updated_at
        FROM webhook_endpoints
        WHERE tenant_id = $1
          AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id
        LIMIT $3
        "#,
        tenant.as_uuid(),
        after.map(EndpointId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(Page::from_rows(endpoints, limit, |endpoint| {
        Cursor::after(endpoint.id)
    }))
}

/// An endpoint that is told what happens.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// The endpoint.
    pub id: EndpointId,
    /// The types of events it wants; none: all.
    pub event_types: Vec<String>,
}

impl Subscriber {
    /// Whether it wants events of a type.
    pub fn wants(&self, event_type: &str) -> bool {
        let types = &self.event_types;
        types.is_empty() || types.iter().any(|wanted| wanted == event_type)
    }
}

/// Lists the tenant's endpoints that are told what happens, in the order in which their rows are to
/// be locked.
///
/// # Errors
/// Those of the database.
pub async fn list_subscribers(tx: &mut TenantTx) -> Result<Vec<Subscriber>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Subscriber,
        r#"
        SELECT id AS "id: EndpointId", event_types
        FROM webhook_endpoints
        WHERE tenant_id = $1 AND enabled
        ORDER BY id
        "#,
        tenant.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Replaces what a tenant can change of an endpoint.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn update(
    tx: &mut TenantTx,
    id: EndpointId,
    values: &EndpointValues<'_>,
) -> Result<Endpoint> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Endpoint,
        r#"
        UPDATE webhook_endpoints
        SET url = $3,
            description = $4,
            event_types = $5,
            enabled = $6,
            disabled_reason = CASE WHEN $6 THEN NULL ELSE disabled_reason END,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: EndpointId", url, description, event_types, sealed_secret, enabled,
                  disabled_reason, created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
        values.url,
        values.description,
        values.event_types,
        values.enabled,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Replaces the secret that deliveries are signed with.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn set_secret(
    tx: &mut TenantTx,
    id: EndpointId,
    sealed_secret: &[u8],
) -> Result<Endpoint> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Endpoint,
        r#"
        UPDATE webhook_endpoints
        SET sealed_secret = $3,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: EndpointId", url, description, event_types, sealed_secret, enabled,
                  disabled_reason, created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
        sealed_secret,
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Switches an endpoint off and says why; tells whether it was on.
///
/// # Errors
/// Those of the database.
pub async fn disable(tx: &mut TenantTx, id: EndpointId, reason: &str) -> Result<bool> {
    let tenant = tx.tenant();
    let disabled = sqlx::query!(
        "
        UPDATE webhook_endpoints
        SET enabled = false,
            disabled_reason = $3,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
          AND enabled
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(disabled.rows_affected() == 1)
}

/// Deletes an endpoint of the tenant's with its deliveries; tells whether there was one.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, id: EndpointId) -> Result<bool> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected() == 1)
}

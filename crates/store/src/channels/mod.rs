//! Channels: a tenant's WhatsApp number, page, web chat or own system.

mod anywhere;
mod looks;
mod verify_tokens;

use chrono::{DateTime, Utc};
use db::{Error, Result, Signal, TenantTx, Topic, Tx};
use domain::{ChannelHealth, ChannelId, ChannelKind, Cursor, Page, TenantId};
use serde_json::Value;

pub use anywhere::{find_any, list_by_accounts, list_by_external_ids};
pub use looks::{mark_checked, set_health, take_unchecked};
pub use verify_tokens::{has_verify_token, list_unhashed, set_verify_token_hash};

/// A tenant's WhatsApp number, page, web chat or own system.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// What it is made of.
    pub kind: ChannelKind,
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// Whether what comes in is answered.
    pub enabled: bool,
    /// The readable part of its configuration.
    pub config: Value,
    /// The secret part, sealed for [`SECRETS_COLUMN`]; `None` where the kind has none.
    pub sealed_secrets: Option<Vec<u8>>,
    /// How the outside names it; `None` where we name it ourselves.
    pub external_id: Option<String>,
    /// How it was last found to be.
    pub health: ChannelHealth,
    /// A sentence about that, for people.
    pub health_note: Option<String>,
    /// Since when it is so.
    pub health_at: Option<DateTime<Utc>>,
    /// When it was last looked at.
    pub checked_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Table and column that [`Channel::sealed_secrets`] is sealed for.
pub const SECRETS_COLUMN: (&str, &str) = ("channels", "sealed_secrets");

/// The constraint that keeps a number from being connected twice.
pub const EXTERNAL_ID_KEY: &str = "channels_kind_external_id_key";

/// What can change of a channel.
#[derive(Clone, Debug)]
pub struct ChannelValues<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether what comes in is answered.
    pub enabled: bool,
    /// The readable part of its configuration.
    pub config: &'a Value,
    /// The secret part, sealed.
    pub sealed_secrets: Option<&'a [u8]>,
    /// How the outside names it.
    pub external_id: Option<&'a str>,
}

pub(crate) struct Row {
    pub(crate) id: ChannelId,
    pub(crate) tenant_id: TenantId,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) config: Value,
    pub(crate) sealed_secrets: Option<Vec<u8>>,
    pub(crate) external_id: Option<String>,
    pub(crate) health: String,
    pub(crate) health_note: Option<String>,
    pub(crate) health_at: Option<DateTime<Utc>>,
    pub(crate) checked_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Channel {
    /// The operator's name of the account that the number belongs to, where the tenant told it.
    pub fn account_id(&self) -> Option<&str> {
        self.config.get("business_account_id")?.as_str()
    }
}

impl TryFrom<Row> for Channel {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let kind = row
            .kind
            .parse()
            .map_err(|_| Error::corrupt(format!("kind of channel {}", row.id)))?;
        Ok(Self {
            id: row.id,
            tenant_id: row.tenant_id,
            kind,
            name: row.name,
            enabled: row.enabled,
            config: row.config,
            sealed_secrets: row.sealed_secrets,
            external_id: row.external_id,
            health: row
                .health
                .parse()
                .map_err(|_| Error::corrupt(format!("health of channel {}", row.id)))?,
            health_note: row.health_note,
            health_at: row.health_at,
            checked_at: row.checked_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Has whoever remembers a channel forget it, once that is committed; `None`: any channel.
pub(crate) fn say_changed(tx: &mut impl Tx, id: Option<ChannelId>) {
    tx.signal_after_commit(Signal {
        topic: Topic::Channels,
        payload: id.map(|id| id.to_string()).unwrap_or_default(),
    });
}

/// Creates a channel of the transaction's tenant.
///
/// # Errors
/// The constraint [`EXTERNAL_ID_KEY`], and those of the database.
pub async fn insert(
    tx: &mut TenantTx,
    id: ChannelId,
    kind: ChannelKind,
    values: &ChannelValues<'_>,
) -> Result<Channel> {
    let tenant = tx.tenant();
    // Whoever remembers that nobody has its number forgets it.
    say_changed(tx, Some(id));
    sqlx::query_as!(
        Row,
        r#"
        INSERT INTO channels (id, tenant_id, kind, name, enabled, config, sealed_secrets, external_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
                  config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        "#,
        id.as_uuid(),
        tenant.as_uuid(),
        kind.as_str(),
        values.name,
        values.enabled,
        values.config,
        values.sealed_secrets,
        values.external_id,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Finds a channel of the tenant's.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut TenantTx, id: ChannelId) -> Result<Option<Channel>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE tenant_id = $1
          AND id = $2
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Channel::try_from)
    .transpose()
}

/// Finds a channel of the tenant's and locks its row until the end of the transaction.
///
/// # Errors
/// Those of the database.
pub async fn find_for_update(tx: &mut TenantTx, id: ChannelId) -> Result<Option<Channel>> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE tenant_id = $1
          AND id = $2
        FOR UPDATE
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Channel::try_from)
    .transpose()
}

/// Gets a channel of the tenant's.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn get(tx: &mut TenantTx, id: ChannelId) -> Result<Channel> {
    find(tx, id).await?.ok_or(Error::NotFound)
}

/// Lists the tenant's channels, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    after: Option<ChannelId>,
    limit: usize,
) -> Result<Page<Channel>> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
               config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        FROM channels
        WHERE tenant_id = $1
          AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id
        LIMIT $3
        "#,
        tenant.as_uuid(),
        after.map(ChannelId::as_uuid),
        crate::probe(limit),
    )
    .fetch_all(tx.conn())
    .await?;
    let channels = rows
        .into_iter()
        .map(Channel::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_rows(channels, limit, |channel| {
        Cursor::after(channel.id)
    }))
}

/// Replaces what can change of a channel of the tenant's.
///
/// # Errors
/// `NotFound`, the constraint [`EXTERNAL_ID_KEY`], and those of the database.
pub async fn update(
    tx: &mut TenantTx,
    id: ChannelId,
    values: &ChannelValues<'_>,
) -> Result<Channel> {
    let tenant = tx.tenant();
    say_changed(tx, Some(id));
    sqlx::query_as!(
        Row,
        r#"
        UPDATE channels
        SET name = $3,
            enabled = $4,
            config = $5,
            sealed_secrets = $6,
            external_id = $7,
            verify_token_hash = NULL,
            updated_at = now()
        WHERE tenant_id = $1
          AND id = $2
        RETURNING id AS "id: ChannelId", tenant_id AS "tenant_id: TenantId", kind, name, enabled,
                  config, sealed_secrets, external_id, health, health_note, health_at,
               checked_at, created_at, updated_at
        "#,
        tenant.as_uuid(),
        id.as_uuid(),
        values.name,
        values.enabled,
        values.config,
        values.sealed_secrets,
        values.external_id,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Deletes a channel of the tenant's with its contacts and conversations; tells whether there was
/// one.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, id: ChannelId) -> Result<bool> {
    let tenant = tx.tenant();
    say_changed(tx, Some(id));
    let deleted = sqlx::query!(
        "DELETE FROM channels WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected() == 1)
}

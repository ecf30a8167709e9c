//! People, as one channel knows them.

use chrono::{DateTime, Utc};
use db::{Result, TenantTx, Tx};
use domain::{ChannelId, ContactId};

/// A person as one channel knows them.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The channel's lasting name of the person.
    pub external_id: String,
    /// Where to send to.
    pub address: Option<String>,
    /// What the person calls themselves.
    pub display_name: Option<String>,
    /// The person's mail address, where the tenant's own server vouched for it.
    pub email: Option<String>,
    /// The channel that knows the person so.
    pub channel_id: ChannelId,
    /// Since when the person wants no messages.
    pub opted_out_at: Option<DateTime<Utc>>,
    /// When they were first heard of.
    pub created_at: DateTime<Utc>,
}

impl Contact {
    /// Where to send to: the address, or the channel's lasting name where there is none.
    pub fn send_to(&self) -> &str {
        self.address.as_deref().unwrap_or(&self.external_id)
    }
}

/// Finds the contact by the channel's name of it, or adds it; a known one learns a new address or
/// name.
///
/// # Errors
/// Those of the database.
pub async fn upsert(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
    address: &str,
    display_name: Option<&str>,
) -> Result<ContactId> {
    let tenant = tx.tenant();
    let id = sqlx::query_scalar!(
        "INSERT INTO contacts AS c (id, tenant_id, channel_id, external_id, address, display_name)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (channel_id, external_id) DO UPDATE SET
             address = excluded.address,
             display_name = coalesce(excluded.display_name, c.display_name),
             updated_at = now()
         RETURNING id",
        ContactId::new().as_uuid(),
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
        address,
        display_name,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(id.into())
}

/// Finds a contact by the channel's name of it.
///
/// # Errors
/// Those of the database.
pub async fn find(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
) -> Result<Option<ContactId>> {
    let tenant = tx.tenant();
    let id = sqlx::query_scalar!(
        "SELECT id FROM contacts WHERE tenant_id = $1 AND channel_id = $2 AND external_id = $3",
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(Into::into))
}

/// Gives a contact the channel's other name of the same person, unless somebody has it: two
/// contacts are never made one. True if it was renamed.
///
/// # Errors
/// Those of the database.
pub async fn rename(tx: &mut TenantTx, channel: ChannelId, from: &str, to: &str) -> Result<bool> {
    let tenant = tx.tenant();
    let renamed = sqlx::query!(
        "UPDATE contacts SET external_id = $4, updated_at = now()
         WHERE tenant_id = $1 AND channel_id = $2 AND external_id = $3
           AND NOT EXISTS (
               SELECT FROM contacts
               WHERE tenant_id = $1 AND channel_id = $2 AND external_id = $4)",
        tenant.as_uuid(),
        channel.as_uuid(),
        from,
        to,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    Ok(renamed == 1)
}

/// Notes what a tenant's own server vouches for of a person: adds the contact, or changes what it
/// is called and its mail address where they are named.
///
/// # Errors
/// Those of the database.
pub async fn identify(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
    display_name: Option<&str>,
    email: Option<&str>,
) -> Result<ContactId> {
    let tenant = tx.tenant();
    let id = sqlx::query_scalar!(
        "INSERT INTO contacts AS c (id, tenant_id, channel_id, external_id, display_name, email)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (channel_id, external_id) DO UPDATE SET
             display_name = coalesce(excluded.display_name, c.display_name),
             email = coalesce(excluded.email, c.email),
             updated_at = now()
         RETURNING id",
        ContactId::new().as_uuid(),
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
        display_name,
        email,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(id.into())
}

/// Gets a contact.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn get(tx: &mut TenantTx, id: ContactId) -> Result<Contact> {
    let tenant = tx.tenant();
    let row = sqlx::query!(
        "SELECT id, external_id, address, display_name, email, channel_id, opted_out_at, created_at
         FROM contacts
         WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Contact {
        id: row.id.into(),
        external_id: row.external_id,
        address: row.address,
        display_name: row.display_name,
        email: row.email,
        channel_id: row.channel_id.into(),
        opted_out_at: row.opted_out_at,
        created_at: row.created_at,
    })
}

/// Since when a contact wants no messages; `None`: they are welcome.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn opted_out_at(tx: &mut TenantTx, id: ContactId) -> Result<Option<DateTime<Utc>>> {
    let tenant = tx.tenant();
    Ok(sqlx::query_scalar!(
        "SELECT opted_out_at FROM contacts WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Notes since when a contact wants no messages, or that they are welcome again. True if that is
/// news.
///
/// # Errors
/// Those of the database.
pub async fn set_opted_out(
    tx: &mut TenantTx,
    id: ContactId,
    at: Option<DateTime<Utc>>,
) -> Result<bool> {
    let tenant = tx.tenant();
    let changed = sqlx::query!(
        "UPDATE contacts SET opted_out_at = $3, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND (opted_out_at IS NULL) <> ($3::timestamptz IS NULL)",
        tenant.as_uuid(),
        id.as_uuid(),
        at,
    )
    .execute(tx.conn())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Deletes a contact with its conversations and their messages. False if there is none.
///
/// # Errors
/// Those of the database.
pub async fn delete(tx: &mut TenantTx, id: ContactId) -> Result<bool> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM contacts WHERE tenant_id = $1 AND id = $2",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Deletes up to `limit` of a tenant's contacts that have no conversation and were not heard of
/// since a time; who wants no messages stays known for it. Returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_idle(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM contacts WHERE tenant_id = $1 AND id = ANY(ARRAY(
             SELECT id FROM contacts AS c
             WHERE tenant_id = $1 AND updated_at < $2 AND opted_out_at IS NULL
               AND NOT EXISTS (
                   SELECT FROM conversations AS v WHERE v.tenant_id = $1 AND v.contact_id = c.id)
             ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED))",
        tenant.as_uuid(),
        before,
        limit,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

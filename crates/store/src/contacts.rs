//! People, as one channel knows them.

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
        "SELECT id, external_id, address, display_name, email FROM contacts
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
    })
}

//! Who has a conversation open: agents by their names, the contact's connections by their ids. A row
//! that is not renewed stops counting.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{ConversationId, Party, TenantId};
use uuid::Uuid;

/// Somebody who has a conversation open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// On which side.
    pub party: Party,
    /// An agent's name, or the id of a contact's connection.
    pub holder: String,
    /// When that was last said.
    pub seen_at: DateTime<Utc>,
}

/// A connection of a contact's, to be renewed with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactPresence {
    /// Whose conversation it is.
    pub tenant_id: TenantId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The connection's id.
    pub holder: Uuid,
}

/// Notes that somebody has one of the tenant's conversations open.
///
/// # Errors
/// The foreign key if there is no such conversation, and those of the database.
pub async fn set(
    tx: &mut TenantTx,
    conversation: ConversationId,
    party: Party,
    holder: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "INSERT INTO presences (tenant_id, conversation_id, party, holder, seen_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (conversation_id, party, holder) DO UPDATE SET seen_at = excluded.seen_at",
        tenant.as_uuid(),
        conversation.as_uuid(),
        party.as_str(),
        holder,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that somebody has one of the tenant's conversations open no longer.
///
/// # Errors
/// Those of the database.
pub async fn clear(
    tx: &mut TenantTx,
    conversation: ConversationId,
    party: Party,
    holder: &str,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "DELETE FROM presences
         WHERE tenant_id = $1 AND conversation_id = $2 AND party = $3 AND holder = $4",
        tenant.as_uuid(),
        conversation.as_uuid(),
        party.as_str(),
        holder,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Lists who has had one of the tenant's conversations open since a time, latest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut TenantTx,
    conversation: ConversationId,
    since: DateTime<Utc>,
) -> Result<Vec<Presence>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        "SELECT party, holder, seen_at FROM presences
         WHERE tenant_id = $1 AND conversation_id = $2 AND seen_at > $3
         ORDER BY seen_at DESC, holder",
        tenant.as_uuid(),
        conversation.as_uuid(),
        since,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let party = row.party.parse();
            Ok(Presence {
                party: party.map_err(|_| Error::corrupt("presences.party"))?,
                holder: row.holder,
                seen_at: row.seen_at,
            })
        })
        .collect()
}

/// Renews the connections of contacts of all tenants, in one statement; those whose conversation is
/// gone are passed over.
///
/// # Errors
/// Those of the database.
pub async fn renew(
    tx: &mut SystemTx,
    connections: &[ContactPresence],
    now: DateTime<Utc>,
) -> Result<()> {
    let (tenants, conversations, holders) = columns(connections);
    sqlx::query!(
        "INSERT INTO presences (tenant_id, conversation_id, party, holder, seen_at)
         SELECT v.tenant_id, v.id, 'contact', given.holder, $4
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS given (tenant_id, id, holder)
         JOIN conversations AS v ON v.tenant_id = given.tenant_id AND v.id = given.id
         ON CONFLICT (conversation_id, party, holder) DO UPDATE SET seen_at = excluded.seen_at",
        &tenants,
        &conversations,
        &holders,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that connections of contacts of all tenants are gone, in one statement.
///
/// # Errors
/// Those of the database.
pub async fn remove(tx: &mut SystemTx, connections: &[ContactPresence]) -> Result<()> {
    let (tenants, conversations, holders) = columns(connections);
    sqlx::query!(
        "DELETE FROM presences AS p
         USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS gone (tenant_id, id, holder)
         WHERE p.tenant_id = gone.tenant_id
           AND p.conversation_id = gone.id
           AND p.party = 'contact'
           AND p.holder = gone.holder",
        &tenants,
        &conversations,
        &holders,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn columns(connections: &[ContactPresence]) -> (Vec<Uuid>, Vec<Uuid>, Vec<String>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for one in connections {
        columns.0.push(one.tenant_id.as_uuid());
        columns.1.push(one.conversation_id.as_uuid());
        columns.2.push(one.holder.to_string());
    }
    columns
}

/// Deletes what was last renewed before a time, of all tenants; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let deleted = sqlx::query!("DELETE FROM presences WHERE seen_at < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(deleted.rows_affected())
}

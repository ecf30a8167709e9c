//! Who has a conversation open: agents by their names, the contact's connections by their ids. A row
//! that is not renewed stops counting.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx as _};
use domain::{ConversationId, Party, TenantId};

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
#[derive(Clone, Debug)]
pub struct ContactPresence {
    /// Whose conversation it is.
    pub tenant_id: TenantId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The connection's id.
    pub holder: String,
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
    let column = |of: fn(&ContactPresence) -> uuid::Uuid| -> Vec<uuid::Uuid> {
        connections.iter().map(of).collect()
    };
    let tenants = column(|one| one.tenant_id.as_uuid());
    let conversations = column(|one| one.conversation_id.as_uuid());
    let holders: Vec<String> = connections.iter().map(|one| one.holder.clone()).collect();
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

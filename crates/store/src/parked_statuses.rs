//! Reports that came before the message they speak of.

use chrono::{DateTime, Utc};
use db::{Error, Result, SystemTx, TenantTx, Tx};
use domain::{ChannelId, MessageStatus, Receipt, StatusUpdate};
use uuid::Uuid;

use crate::messages::NewReport;

/// What a report says of its message, and waits for it with.
#[derive(Clone, Debug)]
pub struct ParkedStatus {
    /// What it reports.
    pub status: MessageStatus,
    /// Why the message failed.
    pub error: Option<String>,
    /// Why, as the channel's number.
    pub error_code: Option<i64>,
    /// When it happened, by the channel's clock.
    pub occurred_at: DateTime<Utc>,
}

impl ParkedStatus {
    /// As the report of the message that a channel calls so.
    pub fn report<'a>(&'a self, external_id: &'a str) -> NewReport<'a> {
        NewReport {
            external_id,
            tag: None,
            status: self.status,
            error: self.error.as_deref(),
            error_code: self.error_code,
            pricing: None,
            at: self.occurred_at,
        }
    }
}

impl From<&StatusUpdate> for ParkedStatus {
    fn from(update: &StatusUpdate) -> Self {
        Self {
            status: update.status,
            error: update.error.clone(),
            error_code: update.error_code,
            occurred_at: update.occurred_at,
        }
    }
}

impl From<&Receipt> for ParkedStatus {
    fn from(receipt: &Receipt) -> Self {
        Self {
            status: receipt.status,
            error: None,
            error_code: None,
            occurred_at: receipt.occurred_at,
        }
    }
}

/// Makes whoever parks a report for a message and whoever gives the message its id go one after the
/// other, until commit: else each could look before the other has written. Take it before any row
/// of the message.
///
/// # Errors
/// Those of the database.
pub async fn lock(tx: &mut TenantTx, channel: ChannelId, external_id: &str) -> Result<()> {
    let key = format!("parked:{channel}:{external_id}");
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", key)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Keeps a report for later; the same one twice is one.
///
/// # Errors
/// Those of the database.
pub async fn park(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
    parked: &ParkedStatus,
) -> Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "INSERT INTO parked_statuses
             (id, tenant_id, channel_id, external_id, status, error, error_code, occurred_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (channel_id, external_id, status) DO NOTHING",
        Uuid::new_v4(),
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
        parked.status.as_str(),
        parked.error,
        parked.error_code,
        parked.occurred_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the reports that waited for a message.
///
/// # Errors
/// Those of the database.
pub async fn take(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_id: &str,
) -> Result<Vec<ParkedStatus>> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        "DELETE FROM parked_statuses
         WHERE tenant_id = $1 AND channel_id = $2 AND external_id = $3
         RETURNING status, error, error_code, occurred_at",
        tenant.as_uuid(),
        channel.as_uuid(),
        external_id,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut parked = rows
        .into_iter()
        .map(|row| {
            Ok(ParkedStatus {
                status: row
                    .status
                    .parse()
                    .map_err(|_| Error::corrupt("parked_statuses.status"))?,
                error: row.error,
                error_code: row.error_code,
                occurred_at: row.occurred_at,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    parked.sort_by_key(|status| status.occurred_at);
    Ok(parked)
}

/// Deletes reports of all tenants whose message never came; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let deleted = sqlx::query!("DELETE FROM parked_statuses WHERE created_at < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(deleted.rows_affected())
}

/// Deletes the reports of messages that a channel calls so; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_of(
    tx: &mut TenantTx,
    channel: ChannelId,
    external_ids: &[String],
) -> Result<u64> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "DELETE FROM parked_statuses
         WHERE tenant_id = $1 AND channel_id = $2 AND external_id = ANY($3)",
        tenant.as_uuid(),
        channel.as_uuid(),
        external_ids,
    )
    .execute(tx.conn())
    .await?;
    Ok(deleted.rows_affected())
}

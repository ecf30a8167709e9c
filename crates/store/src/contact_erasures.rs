//! Proof of what was erased: numbers and times, and nothing about the person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use db::{Error, Result, TenantTx, Tx as _};
use domain::{ContactId, ErasureId};
use serde_json::Value;
use uuid::Uuid;

/// How many rows of each sort were deleted or emptied.
pub type Counts = BTreeMap<String, u64>;

/// One erasure of everything kept about a contact.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// The contact, whose id leads nowhere once it is finished.
    pub contact_id: ContactId,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When everything was gone; `None`: not yet.
    pub finished_at: Option<DateTime<Utc>>,
    /// What was gone.
    pub counts: Counts,
}

struct Row {
    id: Uuid,
    contact_id: Uuid,
    requested_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    counts: Value,
}

impl TryFrom<Row> for Erasure {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            contact_id: row.contact_id.into(),
            requested_at: row.requested_at,
            finished_at: row.finished_at,
            counts: serde_json::from_value(row.counts)
                .map_err(|_| Error::corrupt("contact_erasures.counts"))?,
        })
    }
}

/// Notes that a contact is to be erased; finds the erasure that is under way already.
///
/// # Errors
/// Those of the database.
pub async fn request(tx: &mut TenantTx, contact: ContactId, at: DateTime<Utc>) -> Result<Erasure> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        INSERT INTO contact_erasures AS e (id, tenant_id, contact_id, requested_at)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (contact_id) WHERE finished_at IS NULL
            DO UPDATE SET requested_at = e.requested_at
        RETURNING id, contact_id, requested_at, finished_at, counts
        ",
        ErasureId::new().as_uuid(),
        tenant.as_uuid(),
        contact.as_uuid(),
        at,
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Gets an erasure.
///
/// # Errors
/// `NotFound` if the tenant has none of that id.
pub async fn get(tx: &mut TenantTx, id: ErasureId) -> Result<Erasure> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        Row,
        "
        SELECT id, contact_id, requested_at, finished_at, counts
        FROM contact_erasures
        WHERE tenant_id = $1
          AND id = $2
        ",
        tenant.as_uuid(),
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Notes that everything is gone, and how much it was; what is noted already stays.
///
/// # Errors
/// Those of the database.
pub async fn finish(
    tx: &mut TenantTx,
    id: ErasureId,
    at: DateTime<Utc>,
    counts: &Counts,
) -> Result<()> {
    let tenant = tx.tenant();
    let counts =
        serde_json::to_value(counts).map_err(|_| Error::corrupt("counts of an erasure"))?;
    sqlx::query!(
        "
        UPDATE contact_erasures
        SET finished_at = $3,
            counts = $4
        WHERE tenant_id = $1
          AND id = $2
          AND finished_at IS NULL
        ",
        tenant.as_uuid(),
        id.as_uuid(),
        at,
        counts,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! Answers to writes that carried an `Idempotency-Key`.

use chrono::{DateTime, TimeDelta, Utc};
use db::{Result, SystemTx, Tx as _};
use domain::TenantId;

/// After how long a write without an answer counts as abandoned, and may be done by another.
const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// What is known of a key when a write with it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: the write is the caller's to do, and to [`finish`] or [`forget`].
    Fresh,
    /// Another request with the key is being done.
    InFlight,
    /// The write was done.
    Done {
        /// What the request was; the caller compares.
        request_hash: Vec<u8>,
        /// The HTTP status of the answer.
        status: i16,
        /// The answer, as it was given to [`finish`].
        body: Vec<u8>,
    },
}

/// Claims a key for one write. `id` is the hash of caller, method, path and key.
///
/// Commit before the write begins, so that others see it.
///
/// # Errors
/// Those of the database.
pub async fn begin(
    tx: &mut SystemTx,
    id: &[u8; 32],
    tenant: Option<TenantId>,
    request_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Begun> {
    let claimed = sqlx::query!(
        "
        INSERT INTO idempotency_keys AS k (id, tenant_id, request_hash, created_at)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE
        SET request_hash = excluded.request_hash,
            created_at = excluded.created_at
        WHERE k.response_status IS NULL
          AND k.created_at < $5
        ",
        id,
        tenant.map(TenantId::as_uuid),
        request_hash,
        now,
        now - ABANDONED_AFTER,
    )
    .execute(tx.conn())
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Begun::Fresh);
    }
    let row = sqlx::query!(
        "SELECT request_hash, response_status, response_body FROM idempotency_keys WHERE id = $1",
        id,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match row {
        Some(row) => match (row.response_status, row.response_body) {
            (Some(status), Some(body)) => Begun::Done {
                request_hash: row.request_hash,
                status,
                body,
            },
            _ => Begun::InFlight,
        },
        // It went between the two statements: whoever had it gave it up just now.
        None => Begun::InFlight,
    })
}

/// Stores the answer to a write that [`begin`] gave the key to; `body` must hold no open secret.
///
/// # Errors
/// Those of the database.
pub async fn finish(
    tx: &mut SystemTx,
    id: &[u8; 32],
    request_hash: &[u8; 32],
    status: i16,
    body: &[u8],
) -> Result<()> {
    sqlx::query!(
        "
        UPDATE idempotency_keys
        SET request_hash = $2,
            response_status = $3,
            response_body = $4
        WHERE id = $1
        ",
        id,
        request_hash,
        status,
        body,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives a key up whose write did not happen, so that it can be tried again.
///
/// # Errors
/// Those of the database.
pub async fn forget(tx: &mut SystemTx, id: &[u8; 32]) -> Result<()> {
    sqlx::query!(
        "DELETE FROM idempotency_keys WHERE id = $1 AND response_status IS NULL",
        id
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes keys older than a time; returns how many.
///
/// # Errors
/// Those of the database.
pub async fn delete_older(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let deleted = sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(deleted.rows_affected())
}

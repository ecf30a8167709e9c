use db::Tx;

use crate::kinds::{Kind, Work};

/// Enqueues a job and writes it down in the same transaction; returns its id.
///
/// # Errors
/// Those of the database.
pub(crate) async fn enqueue(tx: &mut impl Tx, kind: Kind, work: &Work) -> db::Result<i64> {
    let enqueued = kind.enqueue(tx, work.clone()).await?;
    let payload =
        serde_json::to_string(work).map_err(|error| db::Error::corrupt(error.to_string()))?;
    sqlx::query(
        "INSERT INTO chaos_enqueued (n, job_id, kind, payload, deadline_at)
         SELECT $1, $2, $3, $4::jsonb, deadline_at FROM jobs WHERE id = $2",
    )
    .bind(work.n)
    .bind(enqueued.id)
    .bind(kind.name())
    .bind(payload)
    .execute(tx.conn())
    .await?;
    Ok(enqueued.id)
}

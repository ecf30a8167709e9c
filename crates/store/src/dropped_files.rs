//! Files whose rows are gone, until they are gone as well. Triggers write them.

use db::{Result, SystemTx, Tx as _};

/// Lists the keys of files that are to go, those that wait longest first.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut SystemTx, limit: i64) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT file_key FROM dropped_files ORDER BY dropped_at LIMIT $1",
        limit,
    )
    .fetch_all(tx.conn())
    .await?)
}

/// Notes that files are gone.
///
/// # Errors
/// Those of the database.
pub async fn forget(tx: &mut SystemTx, keys: &[String]) -> Result<()> {
    sqlx::query!("DELETE FROM dropped_files WHERE file_key = ANY($1)", keys)
        .execute(tx.conn())
        .await?;
    Ok(())
}

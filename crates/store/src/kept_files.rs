//! Which files some row leads to.

use db::{Result, TenantTx, Tx as _};

/// Of these keys of the tenant's files, those that some row leads to.
///
/// # Errors
/// Those of the database.
pub async fn known(tx: &mut TenantTx, keys: &[String]) -> Result<Vec<String>> {
    let tenant = tx.tenant();
    let known = sqlx::query_scalar!(
        r#"SELECT file_key AS "file_key!" FROM documents
           WHERE tenant_id = $1 AND file_key = ANY($2)
           UNION SELECT file_key FROM message_files
           WHERE tenant_id = $1 AND file_key = ANY($2)
           UNION SELECT file_key FROM webchat_attachments
           WHERE tenant_id = $1 AND file_key = ANY($2)"#,
        tenant.as_uuid(),
        keys,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(known)
}

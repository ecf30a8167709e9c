//! Files that no row leads to: a process was killed between keeping a file and noting it.

use std::time::Duration;

use domain::TenantId;
use files::FileKey;
use store::{kept_files, tenants};

use crate::Assistant;

/// How long a file has to be noted: longer than anything that keeps one takes.
pub const GRACE: Duration = Duration::from_hours(24);

/// How many files are asked for in one go.
const AT_A_TIME: usize = 500;

/// Deletes the files that were kept `grace` ago or before and that no row leads to. The folder of a
/// tenant that this database does not know is left alone: it may be another's.
///
/// # Errors
/// Those of the database.
pub async fn sweep(assistant: &Assistant, grace: Duration) -> db::Result<()> {
    let tenants = match assistant.files.tenants().await {
        Ok(tenants) => tenants,
        Err(error) => {
            tracing::warn!(%error, "the folder of files cannot be read");
            return Ok(());
        }
    };
    for tenant in tenants {
        match assistant.files.list_old(tenant, grace).await {
            Ok(keys) => sweep_of(assistant, tenant, &keys).await?,
            Err(error) => tracing::warn!(%error, %tenant, "a folder of files cannot be read"),
        }
    }
    Ok(())
}

async fn sweep_of(assistant: &Assistant, tenant: TenantId, keys: &[FileKey]) -> db::Result<()> {
    for some in keys.chunks(AT_A_TIME) {
        let mut tx = assistant.db.tenant(tenant).await?;
        if !tenants::exists(&mut tx).await? {
            return Ok(());
        }
        let names: Vec<String> = some.iter().map(ToString::to_string).collect();
        let known = kept_files::known(&mut tx, &names).await?;
        drop(tx);
        for (key, name) in some.iter().zip(&names) {
            if !known.contains(name) {
                tracing::info!(%key, "a file that no row leads to is deleted");
                delete(assistant, key).await;
            }
        }
    }
    Ok(())
}

async fn delete(assistant: &Assistant, key: &FileKey) {
    if let Err(error) = assistant.files.delete(key).await {
        tracing::warn!(%error, %key, "a file could not be deleted");
    }
}

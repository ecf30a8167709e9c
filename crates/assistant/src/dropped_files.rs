//! Files follow their rows: what deleted the row wrote down the file, and here it goes.

use store::dropped_files;

use crate::Assistant;

/// How many files go in one go.
const AT_A_TIME: i64 = 500;

/// Deletes the files whose rows are gone. Doing it twice, even at the same time, is harmless; one that
/// cannot be deleted waits for the next time.
///
/// # Errors
/// Those of the database.
pub async fn sweep(assistant: &Assistant) -> db::Result<()> {
    loop {
        let mut tx = assistant.db.system().await?;
        let keys = dropped_files::list(&mut tx, AT_A_TIME).await?;
        drop(tx);
        let is_last = keys.len() < usize::try_from(AT_A_TIME).unwrap_or_default();
        let mut gone = Vec::with_capacity(keys.len());
        for key in keys {
            if delete(assistant, &key).await {
                gone.push(key);
            }
        }
        let is_stuck = gone.is_empty();
        let mut tx = assistant.db.system().await?;
        dropped_files::forget(&mut tx, &gone).await?;
        tx.commit().await?;
        if is_last || is_stuck {
            return Ok(());
        }
    }
}

/// The same, where what deleted the rows is done and its outcome does not hang on it.
pub async fn sweep_soon(assistant: &Assistant) {
    if let Err(error) = sweep(assistant).await {
        tracing::warn!(%error, "files whose rows are gone are still there");
    }
}

/// Whether the file is gone.
async fn delete(assistant: &Assistant, key: &str) -> bool {
    let Ok(parsed) = key.parse() else {
        tracing::error!(key, "the key of a file cannot be read");
        return true;
    };
    match assistant.files.delete(&parsed).await {
        Ok(()) | Err(files::Error::NotFound { .. }) => true,
        Err(error) => {
            tracing::warn!(%error, key, "a file could not be deleted");
            false
        }
    }
}

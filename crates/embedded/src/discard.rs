use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::account::Account;
use crate::error::{Attempt, Error, Result};
use crate::home::{Home, install_dir};
use crate::progress::ProgressFn;
use crate::{install, orphan};

/// Stops what a killed process left running in `data_dir` and removes the folder, data and all.
///
/// # Errors
/// [`Error::InUse`] while a living process runs the server, [`Error::Unusable`] if the folder is a
/// link or belongs to another user; those of [`install()`].
pub fn discard(data_dir: &Path, install_into: &Path) -> Result<()> {
    let found = fs::symlink_metadata(data_dir).attempt("reading", data_dir)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::Unusable {
            dir: data_dir.to_owned(),
            reason: "the folder belongs to another user".to_owned(),
        });
    }
    let data_dir = data_dir.canonicalize().attempt("resolving", data_dir)?;
    let account = Account::find()?;
    let silent: ProgressFn = Arc::new(|_| ());
    let binaries = install(&install_dir(install_into, &account)?, &silent)?;
    let home = Home::open(&data_dir, &account)?;
    orphan::clear(&home, &binaries, &account, &silent)?;
    if !home.socket_dir.starts_with(&home.dir) {
        fs::remove_dir_all(&home.socket_dir).attempt("removing", &home.socket_dir)?;
    }
    fs::remove_dir_all(&home.dir).attempt("removing", &home.dir)?;
    if data_dir.exists() {
        fs::remove_dir_all(&data_dir).attempt("removing", &data_dir)?;
    }
    Ok(())
}

/// Discards what killed runs left in `parent`: every folder whose name begins with `prefix`. Those of
/// runs that live, and of other users, stay.
pub fn discard_leftovers(parent: &Path, prefix: &str, install_into: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            discard(&entry.path(), install_into).ok();
        }
    }
}

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// What steps the clock of a process.
const SOURCE: &str = include_str!("clock.c");

/// Builds the library that steps the clock of the process it is loaded into. Linux only; elsewhere
/// clocks stay as they are.
///
/// # Errors
/// When there is no C compiler, which building this program takes as well.
pub(super) fn build(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !cfg!(target_os = "linux") {
        return Ok(None);
    }
    let source = folder.join("clock.c");
    let library = folder.join("clock.so");
    std::fs::write(&source, SOURCE)?;
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .output()
        .context("cc cannot be run")?;
    let complaint = String::from_utf8_lossy(&built.stderr);
    ensure!(
        built.status.success(),
        "the stepped clock cannot be built: {complaint}"
    );
    Ok(Some(library))
}

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use tokio::process::Command;

use super::{install, program};

/// The ten best texts for each question of the collection in `folder`, by their ids, as bm25s finds
/// them. `stemmer` is Snowball's name of the language; `None`: pairs of chars.
///
/// # Errors
/// When it cannot be installed, or fails.
pub(crate) async fn bm25s(
    folder: &Path,
    stemmer: Option<&str>,
) -> anyhow::Result<HashMap<String, Vec<String>>> {
    let installed = install::install_bm25s().await?;
    let folder = folder.to_str().context("the folder's name")?;
    let arguments = [folder.to_owned(), stemmer.unwrap_or("-").to_owned()];
    let printed = program::run(&installed, &arguments, None).await?;
    Ok(serde_json::from_str(&printed)?)
}

/// Fetches the public collections into `folder`, which is there only once they are whole.
///
/// # Errors
/// As without git or a network.
pub(crate) async fn fetch_collections(folder: &Path) -> anyhow::Result<()> {
    let unfinished = folder.with_extension("new");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("collections/fetch.py");
    let mut fetch = Command::new("python3");
    fetch.arg(script).arg(&unfinished);
    program::output(fetch).await?;
    Ok(tokio::fs::rename(unfinished, folder).await?)
}

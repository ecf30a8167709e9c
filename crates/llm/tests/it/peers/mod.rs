//! Servers of others that speak the same formats, so that ours are not the only reading of them.
//!
//! They are installed once below `.data/test-peers`. Where that cannot be done the tests say why and
//! are skipped; where `CI` or `METACHAT_REQUIRE_PEERS` is set they fail instead.

mod aimock;
mod clients;
mod litellm;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// How long a server may take to listen.
const START: Duration = Duration::from_mins(5);

/// A running server of somebody else's, which ends with the test.
struct Peer {
    url: String,
    _process: Child,
}

/// The folder of a peer, whose lock is held as long as the file lives.
fn folder(name: &str) -> (PathBuf, File) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../.data/test-peers")
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    let folder = fs::canonicalize(folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    (folder, lock)
}

/// Runs `install` unless the folder holds just `wanted`.
///
/// # Errors
/// Why it cannot be installed: a tool is missing, or there is no network.
fn ensure_installed(folder: &Path, wanted: &str, mut install: Command) -> Result<(), String> {
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let output = install.current_dir(folder).output();
    let output = output.map_err(|error| format!("{:?}: {error}", install.get_program()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    fs::write(stamp, wanted).map_err(|error| error.to_string())
}

/// Says why a test is skipped, or fails where it has to run.
fn skip(reason: &str) {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    assert!(
        !is_set("CI") && !is_set("METACHAT_REQUIRE_PEERS"),
        "a peer is missing: {reason}"
    );
    println!("skipped: {reason}");
}

/// Starts a program that prints `{"url": …}` once it listens.
async fn start(command: Command) -> Peer {
    let mut process = tokio::process::Command::from(command)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(START, lines.next_line()).await;
    let line = line.expect("it does not listen").unwrap().unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    Peer {
        url: line["url"].as_str().unwrap().to_owned(),
        _process: process,
    }
}

//! The web chat over Socket.IO, with a client by other people than the one of web sites. Where it cannot
//! be installed the test says why and is skipped; where `CI` or `METACHAT_REQUIRE_PEERS` is set it fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::webchat_stage::Stage;

const PACKAGES: [&str; 4] = [
    "python-socketio==5.18.1",
    "python-engineio==4.15.1",
    "requests==2.34.2",
    "websocket-client==1.9.2",
];

/// The folder with the client's packages.
///
/// # Errors
/// Why it cannot be installed.
async fn installed() -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python_socketio");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (stamp, wanted) = (folder.join("installed"), PACKAGES.join("\n"));
    let packages = folder.join("packages");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(packages);
    }
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
        .arg(&packages)
        .args(PACKAGES)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    if !pip.status.success() {
        return Err(String::from_utf8_lossy(&pip.stderr).into_owned());
    }
    std::fs::write(stamp, wanted).unwrap();
    Ok(packages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_python_writes_and_hears_by_every_transport() {
    let packages = match installed().await {
        Ok(packages) => packages,
        Err(reason) => {
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
            assert!(
                !is_set("CI") && !is_set("METACHAT_REQUIRE_PEERS"),
                "a client is missing: {reason}"
            );
            println!("skipped: {reason}");
            return;
        }
    };
    let stage = Stage::set(json!({})).await;
    let token = stage.token().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::clone(&stage.server.state);
    tokio::spawn(api::serve(listener, state, std::future::pending()));
    let client = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/socket_io/client.py"
        ))
        .args([&url, &token])
        .env("PYTHONPATH", packages)
        .kill_on_drop(true)
        .output();
    let answers = async {
        loop {
            if let Some(conversation) = stage.work().await {
                stage.answer(conversation, "At nine.").await;
            }
            // Polling stands in for a worker's claims.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let output = tokio::select! {
        output = tokio::time::timeout(Duration::from_mins(2), client) => output.unwrap().unwrap(),
        () = answers => unreachable!("it answers for ever"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

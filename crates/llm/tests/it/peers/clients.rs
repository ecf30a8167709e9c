//! The other way round: the providers' own clients talk to our stand-ins.

use std::fs;
use std::process::Command;

use super::{ensure_installed, folder, skip};
use crate::matrix::Standin;
use crate::provider::Wire;

/// What pip installs.
const PACKAGES: &str = "openai==3.54.0 anthropic==2.12.0 ollama==0.6.3";

async fn serves_its_own_client(wire: Wire) {
    let (folder, lock) = folder("clients");
    let mut pip = Command::new("sh");
    pip.arg("-c").arg(format!(
        "python3 -m venv env && env/bin/python -m pip install --quiet {PACKAGES}"
    ));
    if let Err(reason) = ensure_installed(&folder, PACKAGES, pip) {
        return skip(&reason);
    }
    let program = folder.join("clients.py");
    fs::write(&program, include_str!("clients.py")).unwrap();
    drop(lock);
    let server = Standin::open(wire).await;
    let output = tokio::process::Command::new(folder.join("env/bin/python"))
        .arg(program)
        .args([wire.provider(), server.url()])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
#[ignore = "make test-peers runs it"]
async fn our_openai_serves_its_own_client() {
    serves_its_own_client(Wire::Responses).await;
}

#[tokio::test]
#[ignore = "make test-peers runs it"]
async fn our_anthropic_serves_its_own_client() {
    serves_its_own_client(Wire::Anthropic).await;
}

#[tokio::test]
#[ignore = "make test-peers runs it"]
async fn our_ollama_serves_its_own_client() {
    serves_its_own_client(Wire::Ollama).await;
}

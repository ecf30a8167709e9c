//! LiteLLM's proxy, which stands for every gateway. It weighs 700 MB, so only `make test-peers` runs
//! these.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llm::{Error, Message, Request, Timeouts};
use tokio::net::TcpStream;

use super::{Peer, START, ensure_installed, folder, skip};
use crate::matrix::embeddings_of;
use crate::provider::{Wire, model_at, models, settings};

/// What pip installs.
const PACKAGE: &str = "litellm[proxy]==1.106.12";

async fn litellm() -> Option<Peer> {
    let (folder, lock) = folder("litellm");
    let mut pip = Command::new("sh");
    pip.arg("-c").arg(format!(
        "python3 -m venv env && env/bin/python -m pip install --quiet '{PACKAGE}'"
    ));
    if let Err(reason) = ensure_installed(&folder, PACKAGE, pip) {
        skip(&reason);
        return None;
    }
    let config = include_str!("litellm.yaml");
    fs::write(folder.join("config.yaml"), config).unwrap();
    drop(lock);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let process = tokio::process::Command::new(folder.join("env/bin/litellm"))
        .args(["--config", "config.yaml", "--host", "127.0.0.1"])
        .args(["--port", &port.to_string()])
        .current_dir(&folder)
        // Without it the price list is fetched.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    // It says nowhere that a program reads that it listens.
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(begin.elapsed() < START, "it does not listen");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Some(Peer {
        url: format!("http://127.0.0.1:{port}"),
        _process: process,
    })
}

fn asking(model: &str) -> Request {
    Request {
        model: model.to_owned(),
        messages: vec![Message::user("When do you open?")],
        ..Request::default()
    }
}

#[tokio::test]
#[ignore = "installs 700 MB; make test-peers runs it"]
async fn litellm_speaks_openai_chat() {
    let Some(peer) = litellm().await else {
        return;
    };
    let model = model_at(Wire::Chat, &peer.url, Timeouts::default());
    let completion = model.complete(asking("")).await.unwrap();
    assert_eq!(completion.text, "We open at nine, 東京 🎉.");
    assert!(completion.usage.is_some(), "{completion:?}");
    let limited = model.complete(asking("limited")).await.unwrap_err();
    assert!(matches!(limited, Error::RateLimited { .. }), "{limited:?}");
    let missing = model.complete(asking("nobody")).await.unwrap_err();
    assert!(matches!(missing, Error::ModelMissing { .. }), "{missing:?}");

    let models = models(&peer.url, Timeouts::default());
    let listed = models.list(&settings(Wire::Chat), None).await.unwrap();
    assert!(listed.iter().any(|model| model.name == "gpt-4o-mini"));
    let embedder = embeddings_of(&models, "openai", "text-embedding-ada-002", 3);
    let texts = ["one".to_owned()];
    let vectors = embedder.unwrap().embed(&texts).await.unwrap().vectors;
    assert_eq!(vectors, [[0.25, 0.5, 1.0]]);
}

#[tokio::test]
#[ignore = "installs 700 MB; make test-peers runs it"]
async fn litellm_speaks_anthropic() {
    let Some(peer) = litellm().await else {
        return;
    };
    let model = model_at(Wire::Anthropic, &peer.url, Timeouts::default());
    let completion = model.complete(asking("")).await.unwrap();
    assert_eq!(completion.text, "We open at nine, 東京 🎉.");
    assert!(completion.usage.is_some(), "{completion:?}");
}
